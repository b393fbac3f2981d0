//! When people come, and how long each step takes: minutes, with the peak that the four-hour standard makes.

use crate::calendar::YEARS;
use crate::draw::Draw;

pub(crate) const MINUTES_OF_DAY: i32 = 24 * 60;

/// The standard: out of the department within four hours.
const STANDARD: i32 = 240;

/// The time of the arrival in minutes of the day, and minutes from it to each step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) arrival: i32,
    pub(crate) assessed: i32,
    /// Seen by whoever treats; nobody was, if the patient left before.
    pub(crate) seen: Option<i32>,
    pub(crate) concluded: i32,
    pub(crate) departed: i32,
}

/// Arrivals of each hour, on foot and by ambulance.
const ON_FOOT: [u32; 24] = [
    22, 16, 13, 11, 10, 11, 17, 32, 62, 86, 92, 88, 80, 76, 74, 74, 77, 80, 80, 76, 66, 54, 42, 30,
];
const BY_AMBULANCE: [u32; 24] = [
    42, 37, 33, 30, 28, 27, 29, 34, 44, 53, 58, 60, 60, 59, 58, 58, 58, 59, 60, 60, 58, 55, 51, 46,
];

/// Quantiles of minutes to the departure.
const ADMITTED: [u16; 8] = [15, 130, 185, 225, 280, 430, 690, 1_300];
const MAJOR: [u16; 8] = [5, 72, 116, 158, 198, 255, 430, 1_100];
const MINOR: [u16; 8] = [3, 30, 50, 75, 104, 155, 215, 420];

/// How long it takes in each financial year, in hundredths.
const SLOWNESS: [u32; YEARS] = [88, 91, 96, 98, 99, 101, 108, 94, 124, 146];
/// Of those who would stay somewhat over four hours, how many leave just before, in hundredths.
const PULLED: [u32; YEARS] = [84, 80, 70, 66, 62, 60, 50, 56, 30, 18];

impl Clock {
    /// Of somebody who is admitted, the same day: the bed was there before midnight.
    pub(super) fn before_stay(year: usize, ambulance: bool, draw: &mut Draw) -> Self {
        let departed = departure(&ADMITTED, year, draw);
        let mut clock = Self::until(departed, ambulance, draw);
        let waited = departed * draw.between(5, 55) / 100;
        clock.concluded = (departed - waited).max(clock.seen.unwrap_or(clock.assessed));
        clock.arrival = clock.arrival.min(MINUTES_OF_DAY - 1 - departed);
        clock
    }

    pub(super) fn without_stay(
        year: usize,
        major: bool,
        ambulance: bool,
        disposal: &str,
        draw: &mut Draw,
    ) -> Self {
        let departed = departure(if major { &MAJOR } else { &MINOR }, year, draw);
        let mut clock = Self::until(departed, ambulance, draw);
        if disposal == "12" {
            clock.seen = None;
        }
        clock
    }

    fn until(departed: i32, ambulance: bool, draw: &mut Draw) -> Self {
        let hour = draw.position(if ambulance { &BY_AMBULANCE } else { &ON_FOOT });
        let quantiles =
            if ambulance { [0, 1, 3, 6, 11, 24, 60, 150] } else { [0, 4, 9, 15, 23, 45, 90, 200] };
        let assessed = draw.skewed(&quantiles).min(departed / 2);
        let seen = (assessed + draw.skewed(&[0, 10, 26, 48, 82, 150, 240, 420]))
            .min(departed - departed / 8);
        Self {
            arrival: hour as i32 * 60 + draw.between(0, 59),
            assessed,
            seen: Some(seen),
            concluded: (departed - draw.between(0, 25)).max(seen),
            departed,
        }
    }
}

fn departure(quantiles: &[u16; 8], year: usize, draw: &mut Draw) -> i32 {
    let minutes = draw.skewed(quantiles) * SLOWNESS[year] as i32 / 100;
    let minutes = minutes.min(MINUTES_OF_DAY - 1);
    if (STANDARD + 1..STANDARD + 130).contains(&minutes) && draw.percent(PULLED[year]) {
        return STANDARD - draw.between(0, 24).min(draw.between(0, 24));
    }
    minutes
}
