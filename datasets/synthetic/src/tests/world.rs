//! The made-up country.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use cordon_catalogue::{Catalogue, Domain, TableKind};

use super::Table;
use crate::world::WORLD;
use crate::{Population, reference_table};

#[test]
fn it_is_as_large_as_england() {
    assert_eq!(WORLD.boards.len(), 42);
    assert_eq!(WORLD.parts.len(), 106);
    assert_eq!(WORLD.practices.len(), 1_600);
    assert_eq!(WORLD.trusts.len(), 140);
    assert_eq!(WORLD.areas.len(), 32_844);
    assert!(WORLD.parts.iter().all(|part| !part.practices.is_empty() && !part.areas.is_empty()));
}

#[test]
fn its_codes_belong_to_nobody() {
    for trust in &WORLD.trusts {
        let code = trust.code.as_bytes();
        assert!(
            code.len() == 3 && code[0] == b'R' && (b'2'..=b'6').contains(&code[1]),
            "{}",
            trust.code
        );
        assert!(trust.name.contains("Example"));
    }
    // Real practices have 8 or 9 behind the letter, real small areas lie below E01040000.
    assert!(WORLD.practices.iter().all(|p| p.code.len() == 6 && p.code.as_bytes()[1] == b'1'));
    assert!(WORLD.areas.iter().all(|a| a.code.as_str() > "E01900000" && a.code.len() == 9));
}

#[test]
fn deprivation_comes_in_clusters() {
    let ranks: BTreeSet<u32> = WORLD.areas.iter().map(|a| a.rank).collect();
    assert_eq!((ranks.len(), ranks.first(), ranks.last()), (32_844, Some(&1), Some(&32_844)));
    let near: u32 = WORLD.areas.windows(2).map(|w| w[0].decile.abs_diff(w[1].decile)).sum();
    // Unrelated neighbours would be 3.3 tenths apart.
    assert!(near < 23 * 3_284, "{near}");
}

#[test]
fn reference_tables_are_whole() -> Result<()> {
    let catalogue = Catalogue::built_in()?;
    let mut filled = BTreeMap::new();
    for description in catalogue.tables().filter(|t| !t.is_protected()) {
        let Some(rows) = reference_table(&catalogue, &description.name) else {
            continue;
        };
        let rows = rows?;
        assert_eq!(rows.schema(), description.schema());
        let TableKind::Public { key } = &description.kind else {
            continue;
        };
        let column = rows.column_by_name(key[0].as_str()).context("key")?.as_string::<i32>();
        assert_eq!(column.null_count(), 0, "{}", description.name);
        let codes: BTreeSet<String> = column.iter().flatten().map(str::to_owned).collect();
        if key.len() == 1 {
            assert_eq!(codes.len(), rows.num_rows(), "{}: a code twice", description.name);
        }
        filled.insert(description.name.clone(), (rows, codes));
    }
    for place in
        ["ref.region", "ref.icb", "ref.sub_icb", "ref.practice", "ref.organisation", "ref.lsoa"]
    {
        let (rows, _) =
            filled.get(&place.parse()?).with_context(|| format!("`{place}` has no rows"))?;
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            assert_eq!(column.null_count(), 0, "{place}.{} has nulls", field.name());
        }
        let description = catalogue.table(&place.parse()?).context("described")?;
        for column in &description.columns {
            let Some(Domain::Table { table, .. }) = &column.domain else {
                continue;
            };
            let (_, codes) = filled.get(table).context("a domain without rows")?;
            let values =
                rows.column_by_name(column.name.as_str()).context("column")?.as_string::<i32>();
            assert!(values.iter().flatten().all(|v| codes.contains(v)), "{place}.{}", column.name);
        }
    }
    assert!(filled.contains_key(&"ref.icd10".parse()?), "code lists come from the catalogue");
    assert!(reference_table(&catalogue, &"hes.apc".parse()?).is_none());
    Ok(())
}

#[test]
fn people_are_registered_where_they_live() -> Result<()> {
    let practices: BTreeMap<&str, &str> = WORLD
        .practices
        .iter()
        .map(|p| (p.code.as_str(), WORLD.parts[p.part].code.as_str()))
        .collect();
    let areas: BTreeMap<&str, &str> =
        WORLD.areas.iter().map(|a| (a.code.as_str(), WORLD.parts[a.part].code.as_str())).collect();
    let (mut unknown, mut rows) = (0, 0);
    for name in Population::tables() {
        let table = Table::block(&Population::new(4_096, 9), name, 0)?;
        for row in table.rows() {
            rows += 1;
            let residence = table.text("ccg_residence", row);
            let area = table.text("lsoa11", row).map(|code| areas[code]);
            assert_eq!(residence, area);
            match table.text("gpprac", row).and_then(|code| practices.get(code)) {
                Some(of_practice) => {
                    assert_eq!(table.text("ccg_gp_practice", row), Some(*of_practice));
                    assert!(residence.is_none() || residence == Some(*of_practice));
                }
                None => unknown += 1,
            }
        }
    }
    assert!(unknown > 0 && unknown * 50 < rows);
    Ok(())
}

#[test]
fn the_poor_come_more_often() -> Result<()> {
    let lsoa = reference_table(&Catalogue::built_in()?, &"ref.lsoa".parse()?).context("rows")??;
    let codes = lsoa.column_by_name("code").context("code")?.as_string::<i32>();
    let deciles = lsoa.column_by_name("imd_decile").context("decile")?.as_primitive::<Int32Type>();
    let decile: BTreeMap<&str, i32> =
        codes.iter().flatten().zip(deciles.values().iter().copied()).collect();
    let mut emergencies = [0; 11];
    for table in Table::all(&Population::new(20_480, 6), "hes.apc")? {
        for row in table.rows().filter(|&row| table.int("fae_emergency", row) == Some(1)) {
            if let Some(area) = table.text("lsoa11", row) {
                emergencies[decile[area] as usize] += 1;
            }
        }
    }
    assert!(emergencies[1] * 10 > emergencies[10] * 13, "{emergencies:?}");
    let mut attendances = [0; 11];
    for table in Table::all(&Population::new(20_480, 6), "hes.ae")? {
        for area in table.rows().filter_map(|row| table.text("lsoa11", row)) {
            attendances[decile[area] as usize] += 1;
        }
    }
    assert!(attendances[1] * 10 > attendances[10] * 15, "{attendances:?}");
    Ok(())
}
