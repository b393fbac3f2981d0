//! Long-term conditions: how common each is by age and deprivation, and which codes record it.

use crate::calendar::Day;
use crate::draw::Draw;

/// A long-term condition that brings people to hospital.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Hypertension = 0,
    HeartDisease = 1,
    HeartFailure = 2,
    Fibrillation = 3,
    Copd = 4,
    Asthma = 5,
    Diabetes = 6,
    Kidney = 7,
    Cancer = 8,
    Mental = 9,
    Frailty = 10,
    Alcohol = 11,
}

/// How many there are.
pub(crate) const CONDITIONS: usize = 12;

struct Course {
    /// People who have it by age 0, 10, … 100, in thousandths.
    share: [u32; 11],
    /// The same in the most deprived tenth, in hundredths of the least deprived.
    poorest: u32,
    /// The code that records it among the secondary diagnoses.
    code: &'static str,
    /// How often an episode records it, in hundredths.
    recorded: u32,
}

const fn course(share: [u32; 11], poorest: u32, code: &'static str, recorded: u32) -> Course {
    Course { share, poorest, code, recorded }
}

/// In the order of [`Condition`].
static COURSES: [Course; CONDITIONS] = [
    course([0, 0, 5, 20, 60, 150, 300, 440, 560, 640, 650], 130, "I10X", 85),
    course([0, 0, 0, 2, 10, 40, 100, 170, 240, 290, 300], 170, "I251", 80),
    course([0, 0, 0, 1, 3, 10, 25, 60, 120, 200, 220], 170, "I509", 85),
    course([0, 0, 0, 1, 4, 12, 35, 80, 160, 240, 260], 115, "I489", 85),
    course([0, 0, 0, 2, 10, 35, 75, 110, 125, 125, 125], 300, "J449", 85),
    course([10, 60, 95, 110, 120, 130, 135, 140, 142, 145, 145], 130, "J459", 60),
    course([0, 2, 6, 14, 40, 85, 140, 190, 220, 230, 230], 190, "E119", 90),
    course([0, 0, 1, 3, 8, 20, 55, 130, 260, 360, 400], 140, "N189", 75),
    course([0, 1, 3, 8, 20, 50, 110, 190, 260, 310, 320], 105, "C61X", 60),
    course([0, 5, 40, 70, 95, 110, 120, 128, 135, 145, 145], 200, "F329", 45),
    course([0, 0, 0, 0, 2, 8, 30, 90, 260, 500, 700], 160, "R55X", 20),
    course([0, 0, 10, 25, 40, 50, 58, 60, 60, 60, 60], 300, "F102", 55),
];

/// The first day of each condition of one person; never, for most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Conditions([Day; CONDITIONS]);

const NEVER: Day = Day::MAX;

impl Conditions {
    /// Draws when each condition begins. `decile` 1 is the most deprived.
    pub(crate) fn draw(draw: &mut Draw, birth: Day, decile: u32) -> Self {
        let mut days = [NEVER; CONDITIONS];
        for (day, course) in days.iter_mut().zip(&COURSES) {
            let threshold = draw.below(1_000_000);
            let into_year = draw.between(0, 364);
            let factor = gradient(course.poorest, decile);
            // The middle of the range of factors counts as the share of the table.
            let middle = (course.poorest + 100) / 2;
            let share = |age: usize| {
                let (low, high) = (course.share[age / 10], course.share[age / 10 + 1]);
                let thousandths = low * 10 + (high - low) * (age as u32 % 10);
                thousandths * 100 / middle * factor
            };
            if let Some(age) = (0..100).find(|&age| share(age) > threshold) {
                *day = birth + age as Day * 365 + age as Day / 4 + into_year;
            }
        }
        Self(days)
    }

    /// Whether the condition is there on that day.
    pub(crate) fn has(&self, condition: Condition, at: Day) -> bool {
        self.0[condition as usize] <= at
    }

    /// When it begins, if ever.
    pub(crate) fn onset(&self, condition: Condition) -> Option<Day> {
        Some(self.0[condition as usize]).filter(|&day| day != NEVER)
    }

    /// How many are there on that day.
    pub(crate) fn count(&self, at: Day) -> u32 {
        self.0.iter().filter(|&&day| day <= at).count() as u32
    }

    /// Codes that an episode of that day records beside its own diagnosis.
    pub(crate) fn codes(&self, draw: &mut Draw, at: Day, male: bool, into: &mut Vec<&'static str>) {
        for (i, course) in COURSES.iter().enumerate() {
            if self.0[i] <= at && draw.percent(course.recorded) {
                into.push(if i == Condition::Cancer as usize && !male {
                    "C509"
                } else {
                    course.code
                });
            }
        }
        // Type 2 diabetes, obesity and high blood pressure go together.
        if self.0[Condition::Diabetes as usize] <= at && draw.percent(22) {
            into.push("E669");
        }
    }
}

/// A factor in hundredths that rises from 100 in the least deprived tenth to `poorest` in the most deprived.
pub(crate) fn gradient(poorest: u32, decile: u32) -> u32 {
    let steps = 10 - decile.clamp(1, 10);
    if poorest >= 100 {
        100 + (poorest - 100) * steps / 9
    } else {
        100 - (100 - poorest) * steps / 9
    }
}
