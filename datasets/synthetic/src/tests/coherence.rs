//! What must hold within one person's rows.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::Table;
use crate::Population;
use crate::calendar::{END, START, age, day};

fn population() -> Population {
    Population::new(8_192, 11)
}

/// The day on which each person died in hospital.
fn deaths(tables: &[Table]) -> BTreeMap<&str, i32> {
    let mut deaths = BTreeMap::new();
    for table in tables {
        for row in table.rows().filter(|&row| table.text("dismeth", row) == Some("4")) {
            if let (Some(person), Some(died)) =
                (table.text("pseudo_hesid", row), table.date("disdate", row))
            {
                assert!(deaths.insert(person, died).is_none(), "died twice");
            }
        }
    }
    deaths
}

#[test]
fn nothing_follows_a_death() -> Result<()> {
    let apc = Table::all(&population(), "hes.apc")?;
    let op = Table::all(&population(), "hes.op")?;
    let ae = Table::all(&population(), "hes.ae")?;
    let deaths = deaths(&apc);
    assert!(deaths.len() > 200, "{} deaths", deaths.len());
    for (tables, column) in [(&apc, "epiend"), (&op, "apptdate"), (&ae, "arrivaldate")] {
        for table in tables {
            for row in table.rows() {
                let died = table.text("pseudo_hesid", row).and_then(|person| deaths.get(person));
                if let (Some(died), Some(day)) = (died, table.date(column, row)) {
                    assert!(day <= *died);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn episodes_lie_one_behind_another_within_their_spell() -> Result<()> {
    for table in Table::all(&population(), "hes.apc")? {
        for row in table.rows() {
            let date = |name| table.date(name, row).unwrap_or_else(|| panic!("no {name}"));
            let (start, end, admitted) = (date("epistart"), date("epiend"), date("admidate"));
            assert!(admitted <= start && start <= end && (START..=END).contains(&end));
            assert_eq!(table.int("epidur", row), Some(end - start));
            let last = table.text("spelend", row) == Some("Y");
            if let Some(discharged) = table.date("disdate", row) {
                assert!(last && discharged == end && admitted <= discharged);
                assert_eq!(table.int("speldur", row), Some(discharged - admitted));
            }
            let order = table.int("epiorder", row).unwrap_or_default();
            assert_eq!(table.text("spelbgin", row) == Some("0"), order > 1);
            if order == 1 {
                assert_eq!(start, admitted);
            } else {
                assert_eq!(table.date("epiend", row - 1), Some(start), "a gap between episodes");
                assert_eq!(table.int("epiorder", row - 1), Some(order - 1));
                assert_eq!(table.date("admidate", row - 1), Some(admitted));
                assert_eq!(table.text("spelend", row - 1), Some("N"));
            }
        }
    }
    Ok(())
}

#[test]
fn stays_of_one_person_do_not_overlap() -> Result<()> {
    for table in Table::all(&population(), "hes.apc")? {
        for row in 1..table.rows().end {
            let same = table.text("pseudo_hesid", row).is_some()
                && table.text("pseudo_hesid", row) == table.text("pseudo_hesid", row - 1);
            if same {
                assert!(table.date("epistart", row) >= table.date("epiend", row - 1));
            }
        }
    }
    Ok(())
}

#[test]
fn short_codes_are_the_beginning_of_long_ones() -> Result<()> {
    for (name, most_diagnoses) in [("hes.apc", 20), ("hes.op", 12)] {
        let table = Table::block(&population(), name, 0)?;
        for (stem, most) in [("diag", most_diagnoses), ("opertn", 24)] {
            for row in table.rows() {
                let mut joined = Vec::new();
                for i in 1..=most {
                    let long = table.text(&format!("{stem}_4_{i:02}"), row);
                    let short = table.text(&format!("{stem}_3_{i:02}"), row);
                    assert_eq!(long.map(|code| &code[..code.len().min(3)]), short);
                    assert!(long.is_none() || joined.len() + 1 == i, "a gap in the list");
                    joined.extend(long);
                }
                let count = joined.iter().filter(|code| **code != "-").count();
                assert_eq!(table.int(&format!("{stem}_count"), row), Some(count as i32));
                assert_eq!(
                    table.text(&format!("{stem}_4_concat"), row),
                    Some(joined.join(",").as_str())
                );
                assert_eq!(
                    joined.iter().collect::<BTreeSet<_>>().len(),
                    joined.len(),
                    "a code twice"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn ages_follow_from_the_month_of_birth() -> Result<()> {
    let table = Table::block(&population(), "hes.apc", 0)?;
    let mut without = 0;
    for row in table.rows() {
        let Some(born) = table.text("mydob", row) else {
            without += 1;
            continue;
        };
        let (month, year): (i32, i32) = (born[..2].parse()?, born[2..].parse()?);
        let start = table.date("epistart", row).unwrap_or_default();
        let oldest = age(day(year, month, 1), start);
        let youngest = age(day(year, month, 28) + 3, start);
        let coded = table.int("startage", row).unwrap_or_default();
        let years = if coded > 7000 { 0 } else { coded };
        assert!((youngest..=oldest).contains(&years), "{born} {start} {coded}");
        let decimal = table.float("startage_calc", row).unwrap_or_default();
        assert!(if years == 0 { decimal < 1.0 } else { decimal == f64::from(years) });
    }
    assert!(without * 100 < table.rows().end);
    Ok(())
}

#[test]
fn most_of_a_persons_records_agree() -> Result<()> {
    for name in Population::tables() {
        let table = Table::block(&population(), name, 0)?;
        for (column, share) in [("sex", 990), ("ethnos", 850), ("lsoa11", 990), ("gpprac", 980)] {
            let (mut agree, mut all) = (0, 0);
            for row in 1..table.rows().end {
                let person = table.text("pseudo_hesid", row);
                if person.is_some() && person == table.text("pseudo_hesid", row - 1) {
                    all += 1;
                    agree += usize::from(table.text(column, row) == table.text(column, row - 1));
                }
            }
            assert!(agree * 1000 > all * share, "{name} {column}: {agree} of {all}");
            assert!(agree < all, "{name} {column}: records never disagree");
        }
    }
    Ok(())
}

#[test]
fn record_keys_are_unique_and_as_long_as_in_their_year() -> Result<()> {
    for (name, key) in [("hes.apc", "epikey"), ("hes.op", "attendkey"), ("hes.ae", "aekey")] {
        let mut keys = BTreeSet::new();
        for table in Table::all(&population(), name)? {
            for row in table.rows() {
                let key = table.text(key, row).unwrap_or_default().to_owned();
                let late = table.text("fyear", row) >= Some("2122");
                assert_eq!(key.len(), if late { 20 } else { 12 });
                assert!(keys.insert(key), "a key twice");
            }
        }
    }
    Ok(())
}

#[test]
fn planned_stays_are_waited_for_and_emergencies_are_not() -> Result<()> {
    for table in Table::all(&population(), "hes.apc")? {
        for row in table.rows() {
            let emergency = table.int("fae_emergency", row) == Some(1);
            let waited = table.int("elecdur", row);
            assert!(!emergency || waited == Some(9998));
            if let Some(decided) = table.date("elecdate", row) {
                assert_eq!(table.date("admidate", row).map(|d| d - decided), waited);
            }
        }
    }
    Ok(())
}

#[test]
fn who_is_admitted_through_the_department_attended_it_that_day() -> Result<()> {
    let apc = Table::all(&population(), "hes.apc")?;
    let ae = Table::all(&population(), "hes.ae")?;
    let mut stays = BTreeMap::new();
    for table in &apc {
        for row in table.rows().filter(|&row| table.int("epiorder", row) == Some(1)) {
            let place = table.text("procode3", row).filter(|&code| code != "X99");
            let stay = (table.text("admimeth", row), table.date("admidate", row), place);
            stays.insert(table.text("epikey", row).unwrap_or_default(), stay);
        }
    }
    let through = |method| method == Some("21");
    let all = stays.values().filter(|(method, ..)| through(*method)).count();
    let mut linked = BTreeSet::new();
    for table in &ae {
        for row in table.rows() {
            let admitted = table.text("aeattenddisp", row) == Some("01");
            let Some(episode) = table.text("epikey", row) else {
                // The stay goes on behind the data.
                assert!(!admitted || table.date("arrivaldate", row) > Some(END - 400));
                continue;
            };
            let (method, day, place) = stays[episode];
            assert!(admitted && matches!(method, Some("21" | "99" | "2Z")), "{method:?}");
            assert_eq!(table.date("arrivaldate", row), day);
            let here = table.text("procode3", row).filter(|&code| code != "X99");
            assert!(place.is_none() || here.is_none() || place == here);
            assert!(linked.insert(episode), "two attendances led to one stay");
        }
    }
    assert!(all > 3_000, "{all}");
    let missing = stays.iter().filter(|(key, (m, ..))| through(*m) && !linked.contains(*key));
    assert_eq!(missing.count(), 0);
    Ok(())
}

#[test]
fn steps_of_an_attendance_follow_one_another() -> Result<()> {
    for table in Table::all(&population(), "hes.ae")? {
        let minutes = |text: &str| -> Option<i32> {
            let (hours, minutes) = (text[..2].parse::<i32>().ok()?, text[2..].parse::<i32>().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        for row in table.rows() {
            let arrival = table.text("arrivaltime", row).and_then(minutes);
            let mut before = 0;
            for (duration, time) in [
                ("initdur", "inittime"),
                ("tretdur", "trettime"),
                ("concldur", "concltime"),
                ("depdur", "deptime"),
            ] {
                let Some(took) = table.int(duration, row) else { continue };
                assert!(before <= took && took < 1_440, "{duration}: {before}, {took}");
                let arrival = arrival.unwrap_or_else(|| panic!("{duration} without an arrival"));
                let at = table.text(time, row).and_then(minutes);
                assert_eq!(at, Some((arrival + took) % 1_440));
                before = took;
            }
            let admitted = table.text("aeattenddisp", row) == Some("01");
            if let (true, Some(arrival)) = (admitted, arrival) {
                assert!(arrival + before < 1_440, "admitted the day after");
            }
            let left = table.text("aeattenddisp", row) == Some("12");
            assert!(!left || table.int("tretdur", row).is_none(), "treated after leaving");
        }
    }
    Ok(())
}
