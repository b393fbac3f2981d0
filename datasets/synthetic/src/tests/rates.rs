//! How much happens: sizes and shapes that national publications show, in wide bounds.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Table;
use crate::Population;

fn population() -> Population {
    Population::new(20_480, 20_231)
}

/// Of these rows, in thousandths.
fn share(
    tables: &[Table],
    of: impl Fn(&Table, usize) -> bool,
    what: impl Fn(&Table, usize) -> bool,
) -> usize {
    let (mut matching, mut all) = (0, 0);
    for table in tables {
        for row in table.rows().filter(|&row| of(table, row)) {
            all += 1;
            matching += usize::from(what(table, row));
        }
    }
    matching * 1000 / all.max(1)
}

fn within(name: &str, value: usize, least: usize, most: usize) {
    assert!((least..=most).contains(&value), "{name}: {value} is not within {least} and {most}");
}

#[test]
fn admissions_have_the_sizes_of_real_ones() -> Result<()> {
    let tables = Table::all(&population(), "hes.apc")?;
    let rows: usize = tables.iter().map(|t| t.rows().end).sum();
    within("episodes for 100 people", rows * 100 / 20_480, 225, 275);
    let all = |_: &Table, _: usize| true;
    let is = |column: &'static str, code: &'static str| {
        move |t: &Table, r: usize| t.text(column, r) == Some(code)
    };
    within("day cases", share(&tables, all, is("classpat", "2")), 250, 400);
    within(
        "emergencies",
        share(
            &tables,
            |t, r| t.int("fae", r) == Some(1),
            |t, r| t.int("fae_emergency", r) == Some(1),
        ),
        350,
        520,
    );
    within(
        "episodes that are not the first",
        share(&tables, all, |t, r| t.int("epiorder", r) > Some(1)),
        60,
        200,
    );
    within("deaths of stays", share(&tables, is("spelend", "Y"), is("dismeth", "4")), 12, 40);
    within(
        "without a person, in 1000",
        share(&tables, all, |t, r| t.text("pseudo_hesid", r).is_none()),
        0,
        3,
    );
    within("ethnicity not stated", share(&tables, all, is("ethnos", "Z")), 60, 130);
    let respiratory =
        |t: &Table, r: usize| matches!(t.text("diag_3_01", r), Some("J18" | "J22" | "J44"));
    let winter = |t: &Table, r: usize| {
        let (_, month, _) = crate::calendar::civil(t.date("admidate", r).unwrap_or_default());
        matches!(month, 12 | 1 | 2)
    };
    within("respiratory in winter", share(&tables, respiratory, winter), 290, 420);
    within("all in winter", share(&tables, all, winter), 220, 280);
    Ok(())
}

#[test]
fn the_pandemic_emptied_planned_care() -> Result<()> {
    let mut planned: BTreeMap<String, usize> = BTreeMap::new();
    for table in Table::all(&population(), "hes.apc")? {
        for row in table.rows() {
            if matches!(table.text("admimeth", row), Some("11" | "12")) {
                let year = table.text("fyear", row).unwrap_or_default();
                *planned.entry(year.to_owned()).or_default() += 1;
            }
        }
    }
    assert_eq!(planned.len(), 10);
    let change = planned["2021"] * 100 / planned["1920"];
    within("planned stays of 2020-21", change, 50, 80);
    Ok(())
}

#[test]
fn outpatients_have_the_sizes_of_real_ones() -> Result<()> {
    let tables = Table::all(&population(), "hes.op")?;
    let rows: usize = tables.iter().map(|t| t.rows().end).sum();
    within("appointments for 100 people", rows * 100 / 20_480, 640, 760);
    let all = |_: &Table, _: usize| true;
    let missed = |t: &Table, r: usize| t.text("attended", r) == Some("3");
    within("attended", share(&tables, all, |t, r| t.int("attendance", r) == Some(1)), 740, 850);
    within("not attended", share(&tables, all, missed), 45, 90);
    let aged = |low: i32, high: i32| {
        move |t: &Table, r: usize| (low..=high).contains(&t.int("apptage", r).unwrap_or_default())
    };
    assert!(share(&tables, aged(18, 34), missed) > share(&tables, aged(55, 90), missed) * 3 / 2);
    let remote = |t: &Table, r: usize| matches!(t.text("firstatt", r), Some("3" | "4"));
    within(
        "by telephone before",
        share(&tables, |t, r| t.text("fyear", r) < Some("1920"), remote),
        10,
        50,
    );
    within(
        "by telephone in 2020-21",
        share(&tables, |t, r| t.text("fyear", r) == Some("2021"), remote),
        250,
        500,
    );
    within(
        "first visits",
        share(&tables, all, |t, r| matches!(t.text("firstatt", r), Some("1" | "3"))),
        200,
        360,
    );
    within(
        "without a diagnosis",
        share(&tables, all, |t, r| t.text("diag_4_01", r) == Some("R69X")),
        900,
        990,
    );
    Ok(())
}

#[test]
fn emergency_departments_have_the_sizes_of_real_ones() -> Result<()> {
    let tables = Table::all(&population(), "hes.ae")?;
    let rows: usize = tables.iter().map(|t| t.rows().end).sum();
    within("attendances for 100 people", rows * 100 / 20_480, 230, 270);
    let all = |_: &Table, _: usize| true;
    let is = |column: &'static str, code: &'static str| {
        move |t: &Table, r: usize| t.text(column, r) == Some(code)
    };
    within("in major departments", share(&tables, all, is("aedepttype", "01")), 620, 800);
    within("in single specialties", share(&tables, all, is("aedepttype", "02")), 8, 35);
    within("by ambulance", share(&tables, all, is("aearrivalmode", "1")), 220, 350);
    within("admitted", share(&tables, all, is("aeattenddisp", "01")), 200, 320);
    within("left", share(&tables, all, is("aeattenddisp", "12")), 15, 55);
    within("self-harm", share(&tables, all, is("aepatgroup", "30")), 5, 45);
    let aged = |low: i32, high: i32| {
        move |t: &Table, r: usize| (low..=high).contains(&t.int("arrivalage", r).unwrap_or(-1))
    };
    let ambulance = is("aearrivalmode", "1");
    assert!(share(&tables, aged(80, 120), ambulance) > share(&tables, aged(20, 40), ambulance) * 2);
    let in_time = |t: &Table, r: usize| t.int("depdur", r) <= Some(240);
    let of_year = |year: &'static str| {
        let timed = is("fyear", year);
        move |t: &Table, r: usize| timed(t, r) && t.int("depdur", r).is_some()
    };
    within("four hours, 2013-14", share(&tables, of_year("1314"), in_time), 910, 970);
    within("four hours, 2022-23", share(&tables, of_year("2223"), in_time), 560, 760);
    let minutes = |from: i32| {
        move |t: &Table, r: usize| {
            t.int("depdur", r).is_some_and(|m| (from..from + 20).contains(&m))
        }
    };
    let peak = share(&tables, all, minutes(221));
    assert!(peak * 2 > share(&tables, all, minutes(201)) * 3, "a peak before four hours");
    assert!(peak > share(&tables, all, minutes(241)) * 3, "few leave just behind it");
    let years: Vec<usize> =
        ["1920", "2021"].iter().map(|&year| share(&tables, all, is("fyear", year))).collect();
    within("attendances of 2020-21", years[1] * 100 / years[0], 60, 85);
    let night = |t: &Table, r: usize| t.text("arrivaltime", r).is_some_and(|time| time < "0600");
    within("at night", share(&tables, all, night), 70, 160);
    Ok(())
}

#[test]
fn some_people_come_again_and_again() -> Result<()> {
    let mut episodes: BTreeMap<String, usize> = BTreeMap::new();
    for table in Table::all(&Population::new(20_000, 1), "hes.apc")? {
        for row in table.rows() {
            if let Some(person) = table.text("pseudo_hesid", row) {
                *episodes.entry(person.to_owned()).or_default() += 1;
            }
        }
    }
    let often = episodes.values().filter(|&&n| n > 100).count();
    within("people with more than 100 episodes", often, 3, 80);
    within("people with any", episodes.len(), 10_000, 15_000);
    Ok(())
}
