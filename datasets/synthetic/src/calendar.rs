//! Days as HES stores them (days since 1 January 1970), financial years and ages. Whole numbers only.

/// A date as Arrow's `Date32`.
pub(crate) type Day = i32;

/// The first day of the data: 1 April 2013.
pub(crate) const START: Day = day(2013, 4, 1);
/// The last day of the data: 31 March 2023.
pub(crate) const END: Day = day(2023, 3, 31);
/// The first COVID-19 admissions.
pub(crate) const PANDEMIC: Day = day(2020, 3, 1);
/// What HES stores where a date was not submitted.
pub(crate) const NO_DATE: Day = day(1800, 1, 1);
/// How many financial years the data cover.
pub(crate) const YEARS: usize = 10;

/// `FYEAR` of each year, and `PARTYEAR` of its final extract.
pub(crate) const LABELS: [(&str, i32); YEARS] = [
    ("1314", 201399),
    ("1415", 201499),
    ("1516", 201599),
    ("1617", 201699),
    ("1718", 201799),
    ("1819", 201899),
    ("1920", 201999),
    ("2021", 202099),
    ("2122", 202199),
    ("2223", 202299),
];

/// The day number of a date of the Gregorian calendar (days_from_civil of Howard Hinnant).
pub(crate) const fn day(year: i32, month: i32, date: i32) -> Day {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y - era * 400;
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + date - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and date of a day number.
pub(crate) const fn civil(day: Day) -> (i32, i32, i32) {
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z - era * 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, date)
}

/// The first day of a financial year by number, 0 being 2013-14.
pub(crate) const fn year_start(year: usize) -> Day {
    day(2013 + year as i32, 4, 1)
}

/// The financial year of a day by number; days outside the data count to the nearest year.
pub(crate) const fn year_of(at: Day) -> usize {
    let (year, month, _) = civil(at);
    let financial = if month < 4 { year - 1 } else { year } - 2013;
    if financial < 0 {
        0
    } else if financial as usize >= YEARS {
        YEARS - 1
    } else {
        financial as usize
    }
}

/// The first and last day of a month of a financial year, 0 being April.
pub(crate) const fn month_of(year: usize, month: usize) -> (Day, Day) {
    let (of_year, month) = if month < 9 {
        (2013 + year as i32, month as i32 + 4)
    } else {
        (2014 + year as i32, month as i32 - 8)
    };
    let next = if month == 12 { day(of_year + 1, 1, 1) } else { day(of_year, month + 1, 1) };
    (day(of_year, month, 1), next - 1)
}

/// Whole years between two days, by birthdays.
pub(crate) const fn age(birth: Day, at: Day) -> i32 {
    let (by, bm, bd) = civil(birth);
    let (y, m, d) = civil(at);
    y - by - if m < bm || (m == bm && d < bd) { 1 } else { 0 }
}

/// The age as HES codes it (7001 to 7007 under one year), and as a decimal.
pub(crate) fn coded_age(birth: Day, at: Day) -> (i32, f64) {
    let years = age(birth, at);
    if years >= 1 {
        return (years.min(120), f64::from(years.min(120)));
    }
    match at - birth {
        ..=0 => (7001, 0.002),
        1..=6 => (7002, 0.010),
        7..=28 => (7003, 0.048),
        29..=90 => (7004, 0.167),
        91..=181 => (7005, 0.375),
        182..=272 => (7006, 0.625),
        _ => (7007, 0.875),
    }
}
