//! CPU kernels over slices of `f32`. The crate knows neither burn nor the recipe language, and it is the only home of
//! `unsafe` code in the workspace.
