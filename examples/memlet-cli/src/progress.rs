//! How far long work has come, on standard error if that is a terminal and nothing otherwise.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line that says what is being done and since when, until it is dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn start(what: impl Into<String>) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(what.into());
        bar.enable_steady_tick(TICK);
        Self(bar)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

const TICK: Duration = Duration::from_millis(100);
