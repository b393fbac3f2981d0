//! What people see: answers on standard output, everything else on standard error. Colours and moving
//! bars only where a person looks, and never against `NO_COLOR`.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit::{Ended, Exit};
use crate::problem::Problem;
use crate::settings;

/// Writes a line of an answer to standard output.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        // Whoever read has read enough: `cordon catalogue | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Tells on standard error why a command ended, and how it ends.
pub(crate) fn complain(error: &anyhow::Error) -> Exit {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        eprintln!("{}", emphasised(&problem.to_string()));
        return problem.exit;
    }
    if is_broken_pipe(error) {
        return Exit::Done;
    }
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    eprintln!("{}", emphasised(&format!("error: {}", causes.join(": "))));
    let ended = error.chain().find_map(|cause| cause.downcast_ref::<Ended>());
    ended.map_or(Exit::Unavailable, |ended| ended.exit)
}

/// Whoever read our output has gone: `cordon query … | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(broken))
}

/// The word before the first colon, bold on a terminal.
fn emphasised(text: &str) -> Cow<'_, str> {
    match text.split_once(':') {
        Some((word, rest)) if io::stderr().is_terminal() && settings::colours() => {
            Cow::Owned(format!("\u{1b}[1m{word}:\u{1b}[0m{rest}"))
        }
        _ => Cow::Borrowed(text),
    }
}

/// A bar on standard error; where nobody watches, a line when something begins and ends.
pub(crate) struct Bar(ProgressBar);

impl Bar {
    /// Of known length.
    pub(crate) fn new(what: &str, length: u64) -> Self {
        let bar = Self::spinner(what);
        bar.known(0, length);
        bar
    }

    /// Of unknown length.
    pub(crate) fn spinner(what: &str) -> Self {
        let watched = io::stderr().is_terminal();
        let target =
            if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style("{spinner} {msg} {elapsed}"));
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        if !watched {
            eprintln!("{what} ...");
        }
        Self(bar)
    }

    /// A spinner that leaves no trace.
    pub(crate) fn quiet(what: &str) -> Self {
        match io::stderr().is_terminal() {
            true => Self::spinner(what),
            false => Self(ProgressBar::hidden()),
        }
    }

    /// So many of so many are done.
    pub(crate) fn known(&self, done: u64, of: u64) {
        if self.0.length() != Some(of) {
            self.0
                .set_style(style("{spinner} {msg} {wide_bar} {percent:>3}% {elapsed}, {eta} left"));
            self.0.set_length(of);
        }
        self.0.set_position(done);
    }

    /// So many are done, nobody knows of how many.
    pub(crate) fn counted(&self, done: u64) {
        self.0.set_style(style("{spinner} {msg} {human_pos} {elapsed}"));
        self.0.unset_length();
        self.0.set_position(done);
    }

    pub(crate) fn message(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// Ends the bar with a line that stays.
    pub(crate) fn done(&self, what: &str) {
        self.0.finish_and_clear();
        eprintln!("{what}");
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// What a store reports, as a bar.
pub(crate) struct StoreBar {
    bar: Bar,
    table: String,
    /// How many parts are read, when that is known.
    parts: Option<u64>,
}

impl StoreBar {
    pub(crate) fn new(table: &str) -> Self {
        Self { bar: Bar::spinner(table), table: table.to_owned(), parts: None }
    }

    /// Over rows that come in so many parts.
    pub(crate) fn of(table: &str, parts: u64) -> Self {
        let bar = Bar::new(&format!("{table}: making"), parts);
        Self { bar, table: table.to_owned(), parts: Some(parts) }
    }

    /// So many parts are read.
    pub(crate) fn parts(&self, done: u64) {
        if let Some(parts) = self.parts {
            self.bar.known(done, parts);
        }
    }

    pub(crate) fn done(&self, what: &str) {
        self.bar.done(what);
    }
}

impl cordon_store::Progress for StoreBar {
    fn rows(&self, done: u64, of: Option<u64>) {
        match (of, self.parts) {
            (Some(of), _) => self.bar.known(done, of),
            (None, None) => self.bar.counted(done),
            (None, Some(_)) => {}
        }
    }

    fn stage(&self, name: &str) {
        self.bar.message(&format!("{}: {name}", self.table));
    }
}
