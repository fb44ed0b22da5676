//! How far long work has come, on standard error if that is a terminal and nothing otherwise.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// A line that says what is being done, how much of it has been, and since when, until it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Where the work counts; nothing when nobody is watching.
    done: Option<Arc<AtomicU64>>,
}

impl Progress {
    /// Of something whose steps nobody counts.
    pub(crate) fn start(what: impl Into<String>) -> Self {
        Self::with_style(what.into(), |_| style("{spinner} {msg}, {elapsed}"))
    }

    /// Of something that counts its steps; `total` of them, if that is known.
    pub(crate) fn counting(what: impl Into<String>, total: Option<u64>) -> Self {
        let template = match total {
            Some(total) => format!("{{spinner}} {{msg}}: {{done}} of {total}, {{elapsed}}"),
            None => "{spinner} {msg}: {done}, {elapsed}".to_owned(),
        };
        Self::with_style(what.into(), |done| {
            let show = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
                // It is drawn again soon.
                let _ = write!(out, "{}", done.load(Ordering::Relaxed));
            };
            style(&template).with_key("done", show)
        })
    }

    fn with_style(what: String, style: impl FnOnce(Arc<AtomicU64>) -> ProgressStyle) -> Self {
        let bar = ProgressBar::new_spinner();
        let done = io::stderr().is_terminal().then(Arc::<AtomicU64>::default);
        if let Some(done) = &done {
            bar.set_style(style(Arc::clone(done)));
            bar.set_message(what);
            bar.enable_steady_tick(TICK);
        }
        Self { bar, done }
    }

    /// Where the work is to count its steps.
    pub(crate) fn counter(&self) -> Option<Arc<AtomicU64>> {
        self.done.clone()
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

const TICK: Duration = Duration::from_millis(100);
