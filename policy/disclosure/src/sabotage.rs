//! Controls that can be switched off, so that the referees can be tested: what they are there to find must be found.
//! Exists only with the feature `sabotage`, which no build without debug assertions takes.

#[cfg(all(feature = "sabotage", not(debug_assertions)))]
compile_error!("`sabotage` is for tests of the referees only");

/// One control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// A set of people is looked up among those that were answered before it is drawn.
    LookUp,
    /// So are sets that are near to it.
    Near,
    /// Noise is drawn from the people of a cell, never anew.
    KeyedNoise,
    /// A figure rests on enough people.
    Threshold,
    /// None and few look the same.
    Zero,
    /// A group is listed for enough people only.
    Listing,
    /// Groups come in the order of their names.
    Order,
    /// What is suppressed stands last, in that order.
    Rank,
    /// The charge is computed from released numbers of people.
    Charge,
    /// Notes speak of the question only.
    Notes,
    /// The error that is told is computed from what is released.
    Error,
    /// People who opted out are left out.
    OptOuts,
    /// So are years that the agreement does not name.
    Years,
    /// So are rows that it does not name.
    Rows,
}

#[cfg(feature = "sabotage")]
static OFF: std::sync::Mutex<Option<Control>> = std::sync::Mutex::new(None);

/// Switches one control off, and all others on.
#[cfg(feature = "sabotage")]
pub fn switch_off(control: Option<Control>) {
    if let Ok(mut off) = OFF.lock() {
        *off = control;
    }
}

/// Whether a control is switched off.
#[cfg(feature = "sabotage")]
pub fn is_off(control: Control) -> bool {
    OFF.lock().is_ok_and(|off| *off == Some(control))
}

/// Another number each time.
#[cfg(feature = "sabotage")]
pub(crate) fn another() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
}

/// Nothing asks for it where nothing is switched off.
#[cfg(not(feature = "sabotage"))]
pub(crate) const fn another() -> u64 {
    0
}

/// Whether a control is switched off: never.
#[cfg(not(feature = "sabotage"))]
#[inline]
pub const fn is_off(_: Control) -> bool {
    false
}
