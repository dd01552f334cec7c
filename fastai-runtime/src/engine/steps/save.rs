//! `save("NAME")`.

use crate::RunError;
use crate::engine::session::Session;

pub(super) fn run(session: &mut Session<'_>, name: &str, size: u32) -> Result<(), RunError> {
    let (_, digest) = session.save_model(name, size)?;
    session.has_saved(name, digest);
    Ok(())
}
