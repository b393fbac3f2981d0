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
    /// All of this also where a statement reads a second time.
    SecondScan,
    /// A near set is looked for by as many parts of a sketch as it may differ in.
    Bands,
    /// Answered sets are those of everybody, not of one agreement.
    Scope,
    /// Near sets are looked for in counts of people.
    NearPersons,
    /// In counts of rows.
    NearRows,
    /// And in sums.
    NearTotals,
    /// Weights are those of the people.
    Weights,
    /// The threshold of a set is drawn from its people.
    ThresholdDraw,
    /// So is how far near sets reach.
    SeparationDraw,
    /// So is how even contributions are said to be.
    EvennessDraw,
    /// A public list is the whole list.
    List,
    /// A figure about nobody looks like one about few.
    ZeroFigure,
    /// A sum is charged alike, however many contribute.
    ChargeOfSums,
    /// What is said of a column is about the question only.
    Treatment,
    /// Nobody is told of near sets.
    NearNote,
    /// What shows nothing is charged, whether or not there was anything.
    ChargeOfNothing,
}

/// The control that keeps a draw from being made anew each time.
#[cfg(feature = "sabotage")]
fn of_draw(purpose: &str) -> Option<Control> {
    Some(match purpose {
        "noise" => Control::KeyedNoise,
        "threshold" => Control::ThresholdDraw,
        "separation" => Control::SeparationDraw,
        "evenness" => Control::EvennessDraw,
        _ => return None,
    })
}

/// Whether a draw for this purpose is made anew each time.
#[cfg(feature = "sabotage")]
pub(crate) fn drawn_anew(purpose: &str) -> bool {
    of_draw(purpose).is_some_and(is_off)
}

/// Never.
#[cfg(not(feature = "sabotage"))]
#[inline]
pub(crate) const fn drawn_anew(_: &str) -> bool {
    false
}

#[cfg(feature = "sabotage")]
static OFF: std::sync::RwLock<Vec<Control>> = std::sync::RwLock::new(Vec::new());

/// Switches these controls off, and all others on.
#[cfg(feature = "sabotage")]
pub fn switch_off(controls: &[Control]) {
    if let Ok(mut off) = OFF.write() {
        *off = controls.to_vec();
    }
}

/// Whether a control is switched off.
#[cfg(feature = "sabotage")]
pub fn is_off(control: Control) -> bool {
    OFF.read().is_ok_and(|off| off.contains(&control))
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
