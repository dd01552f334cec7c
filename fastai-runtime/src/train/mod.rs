//! The fit loop, the finder, freezing, the recorder.
