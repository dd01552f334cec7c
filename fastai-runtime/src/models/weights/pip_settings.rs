//! The index of packages that pip is set up for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Largest file of settings that is read, bytes.
const LARGEST: u64 = 1 << 20;

/// The address of an index of packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PackageIndex {
    pub(super) url: String,
    /// What names it: `$PIP_INDEX_URL`, or a file.
    pub(super) named_by: String,
}

impl PackageIndex {
    /// The index that pip would take from the environment and the files of this user; `None` where nothing names one, because
    /// only pip knows its own.
    pub(super) fn of_user() -> Option<Self> {
        let read = |path: &Path| {
            let file = std::fs::metadata(path).ok().filter(|file| file.is_file() && file.len() <= LARGEST);
            file.and_then(|_| std::fs::read_to_string(path).ok())
        };
        Self::find(|name| std::env::var_os(name), read)
    }

    /// As pip orders them: the environment, then what a file says of `pip download`, then what one says of all commands.
    fn find(variable: impl Fn(&str) -> Option<OsString>, read: impl Fn(&Path) -> Option<String>) -> Option<Self> {
        let url = variable("PIP_INDEX_URL").and_then(|url| url.into_string().ok());
        if let Some(url) = url.filter(|url| !url.is_empty()) {
            return Some(PackageIndex { url, named_by: "$PIP_INDEX_URL".to_string() });
        }
        let texts: Vec<(PathBuf, String)> =
            files(variable).into_iter().filter_map(|path| read(&path).map(|text| (path, text))).collect();
        ["download", "global"].into_iter().find_map(|section| {
            texts.iter().find_map(|(path, text)| {
                let url = value(text, section, "index-url")?;
                Some(PackageIndex { url, named_by: path.display().to_string() })
            })
        })
    }
}

/// The files of pip's settings, those that count more first.
fn files(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let named = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own = named("PIP_CONFIG_FILE");
    // How pip is told to read none.
    if own.as_deref() == Some(Path::new("/dev/null")) {
        return Vec::new();
    }
    let home = named("HOME");
    let config = named("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    let environment = named("VIRTUAL_ENV").map(|folder| folder.join("pip.conf"));
    let of_user = [config.map(|folder| folder.join("pip")), home.map(|home| home.join(".pip"))];
    let of_user = of_user.into_iter().flatten().map(|folder| folder.join("pip.conf"));
    own.into_iter().chain(environment).chain(of_user).chain([PathBuf::from("/etc/pip.conf")]).collect()
}

/// The value of a key in a section of an ini file, as Python's `configparser` reads it; `None` where it is absent or empty. Keys
/// may have underscores for hyphens.
fn value(text: &str, section: &str, key: &str) -> Option<String> {
    let (mut inside, mut of_key, mut found) = (false, false, String::new());
    for line in text.trim_start_matches('\u{feff}').lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        // An indented line goes on with the value before it.
        if line.starts_with([' ', '\t']) && of_key {
            found += trimmed;
        } else if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            (inside, of_key) = (name == section, false);
        } else if let Some((name, value)) = trimmed.split_once(['=', ':']) {
            of_key = inside && name.trim().to_ascii_lowercase().replace('_', "-") == key;
            if of_key {
                found = value.trim().to_string();
            }
        }
    }
    Some(found).filter(|found| !found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_its_section() {
        let text = "\u{feff}# index-url = https://comment.example/\nindex-url = https://none.example/\n[global]\ntimeout = 9\n\
                    Index_URL : https://a.example/simple/\n; index-url = https://comment.example/\n\n[install]\n\
                    index-url = https://b.example/\n[download] ; for this command\nindex-url =\n    https://c.example/\n\
                    extra-index-url = https://d.example/\n[empty]\nindex-url =\n";
        let found = |section| value(text, section, "index-url");
        assert_eq!(found("global").as_deref(), Some("https://a.example/simple/"));
        assert_eq!(found("install").as_deref(), Some("https://b.example/"));
        assert_eq!(found("download").as_deref(), Some("https://c.example/"));
        assert_eq!((found("empty"), found("absent")), (None, None));
        assert_eq!(value("", "global", "index-url"), None);
        assert_eq!(value("[global\nindex-url=x\n]", "global", "index-url").as_deref(), Some("x"));
    }

    #[cfg(unix)]
    #[test]
    fn what_counts_more_is_read_first() {
        let all = [
            ("PIP_CONFIG_FILE", "/own.conf"),
            ("VIRTUAL_ENV", "/venv"),
            ("XDG_CONFIG_HOME", "/config"),
            ("HOME", "/home/a"),
        ];
        let of = |names: &[(&str, &str)]| {
            let names: Vec<(String, OsString)> =
                names.iter().map(|(name, value)| (name.to_string(), value.into())).collect();
            move |wanted: &str| names.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        let paths = |names: &[(&str, &str)]| -> Vec<String> {
            files(of(names)).iter().map(|path| path.display().to_string()).collect()
        };
        let wanted = ["/own.conf", "/venv/pip.conf", "/config/pip/pip.conf", "/home/a/.pip/pip.conf", "/etc/pip.conf"];
        assert_eq!(paths(&all), wanted);
        assert_eq!(paths(&all[3..])[0], "/home/a/.config/pip/pip.conf");
        assert_eq!(paths(&[("PIP_CONFIG_FILE", "/dev/null"), all[3]]), [""; 0]);
        assert_eq!(paths(&[]), ["/etc/pip.conf"]);

        let read = |path: &Path| match path.to_str()? {
            "/config/pip/pip.conf" => Some("[global]\nindex-url = https://user.example/\n".to_string()),
            "/etc/pip.conf" => Some(
                "[global]\nindex-url = https://all.example/\n[download]\nindex-url = https://download.example/\n"
                    .to_string(),
            ),
            _ => None,
        };
        let found = |names: &[(&str, &str)]| PackageIndex::find(of(names), read);
        let named = |url: &str, named_by: &str| Some(PackageIndex { url: url.into(), named_by: named_by.into() });
        // What is said of the command counts more than what is said of all, in whichever file.
        assert_eq!(found(&all), named("https://download.example/", "/etc/pip.conf"));
        let read = |path: &Path| read(path).map(|text| text.replace("[download]", "[install]"));
        let found = |names: &[(&str, &str)]| PackageIndex::find(of(names), read);
        assert_eq!(found(&all), named("https://user.example/", "/config/pip/pip.conf"));
        let own = [("PIP_INDEX_URL", "https://own.example/"), all[2]];
        assert_eq!(found(&own), named("https://own.example/", "$PIP_INDEX_URL"));
        assert_eq!(found(&[("PIP_INDEX_URL", ""), all[2]]), named("https://user.example/", "/config/pip/pip.conf"));
        assert_eq!(PackageIndex::find(of(&all), |_| None), None);
    }
}
