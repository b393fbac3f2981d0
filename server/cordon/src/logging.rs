//! The operator's log, on standard error. It never holds SQL, tokens or figures: our own crates do not
//! write them, and other crates are heard from `warn` on only, whatever is asked for.

use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::{self, LogForm};

/// Starts the log. `CORDON_LOG` says how much (`warn` when unset), as in `CORDON_LOG=info` or
/// `CORDON_LOG=cordon_engine=debug`; `CORDON_LOG_FORM=json` makes each line a JSON object.
pub(crate) fn start() {
    let (asked, form) = settings::log();
    let filter = EnvFilter::try_new(&asked).unwrap_or_else(|_| EnvFilter::new("warn"));
    // At `debug` an HTTP/2 library writes headers, and with them tokens.
    let ours =
        filter_fn(|about| about.target().starts_with("cordon") || *about.level() <= Level::WARN);
    let filter = filter.and(ours);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let colours = std::io::stderr().is_terminal() && settings::colours();
    let log = match form {
        LogForm::Text => lines.with_ansi(colours).with_filter(filter).boxed(),
        LogForm::Json => lines.json().with_filter(filter).boxed(),
    };
    // Fails only when a log was started before, which is as good.
    let _ = tracing_subscriber::registry().with(log).try_init();
}
