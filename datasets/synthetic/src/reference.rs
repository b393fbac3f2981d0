//! Reference tables of the made-up country, in the catalogue's schema; code lists come from the catalogue.

use arrow_array::RecordBatch;
use cordon_catalogue::{Catalogue, TableName};

use crate::error::SyntheticError;
use crate::sheet::{Kind, Sheet, Slot};
use crate::world::{BOARDS, REGIONS, WORLD};

/// The rows of a reference table: the made-up places and organisations, or the code list that the catalogue
/// states. `None` if neither has rows for it.
pub fn reference_table(
    catalogue: &Catalogue,
    table: &TableName,
) -> Option<Result<RecordBatch, SyntheticError>> {
    let fill = match table.as_str() {
        "ref.region" => regions,
        "ref.icb" => boards,
        "ref.sub_icb" => parts,
        "ref.practice" => practices,
        "ref.organisation" => organisations,
        "ref.lsoa" => areas,
        _ => return catalogue.reference_rows(table).map(Ok),
    };
    let description = catalogue.table(table)?;
    let mut sheet = Sheet::new(description.schema(), 64);
    Some(fill(&mut sheet).and_then(|()| sheet.finish()))
}

/// The text columns of these names, in this order.
fn texts<const N: usize>(sheet: &mut Sheet, names: [&str; N]) -> Result<[Slot; N], SyntheticError> {
    let mut slots = [Slot::NOWHERE; N];
    for (slot, name) in slots.iter_mut().zip(names) {
        *slot = sheet.slot(name, Kind::Text)?;
    }
    Ok(slots)
}

fn row<const N: usize>(sheet: &mut Sheet, slots: [Slot; N], values: [&str; N]) {
    for (slot, value) in slots.into_iter().zip(values) {
        sheet.text(slot, value);
    }
    sheet.next_row();
}

/// The seven regions of NHS England, by code.
fn regions(sheet: &mut Sheet) -> Result<(), SyntheticError> {
    let slots = texts(sheet, ["code", "name"])?;
    let mut list: Vec<(&str, &str)> = REGIONS.iter().map(|r| (r.nhs, r.nhs_name)).collect();
    list.sort_unstable();
    list.dedup();
    for (code, name) in list {
        row(sheet, slots, [code, name]);
    }
    Ok(())
}

fn boards(sheet: &mut Sheet) -> Result<(), SyntheticError> {
    let slots = texts(sheet, ["code", "name", "region_code", "region_name"])?;
    for (places, board) in WORLD.boards.iter().zip(&BOARDS) {
        let region = &REGIONS[board.region];
        let name = format!("{} Integrated Care Board", board.name);
        row(sheet, slots, [&places.code, &name, region.nhs, region.nhs_name]);
    }
    Ok(())
}

fn parts(sheet: &mut Sheet) -> Result<(), SyntheticError> {
    let slots = texts(sheet, ["code", "name", "icb_code"])?;
    for part in &WORLD.parts {
        row(sheet, slots, [&part.code, &part.name, &WORLD.boards[part.board].code]);
    }
    Ok(())
}

fn practices(sheet: &mut Sheet) -> Result<(), SyntheticError> {
    let slots = texts(sheet, ["code", "name", "sub_icb_code", "icb_code"])?;
    for practice in &WORLD.practices {
        let part = &WORLD.parts[practice.part];
        let board = &WORLD.boards[part.board];
        row(sheet, slots, [&practice.code, &practice.name, &part.code, &board.code]);
    }
    Ok(())
}

fn organisations(sheet: &mut Sheet) -> Result<(), SyntheticError> {
    let slots = texts(sheet, ["code", "name", "icb_code", "region_code", "type"])?;
    for (at, trust) in WORLD.trusts.iter().enumerate() {
        let board = &WORLD.boards[trust.board];
        let region = &REGIONS[BOARDS[trust.board].region];
        let kind =
            if at as u32 + 1 == board.trusts.end { "Mental health trust" } else { "Acute trust" };
        row(sheet, slots, [&trust.code, &trust.name, &board.code, region.nhs, kind]);
    }
    Ok(())
}

fn areas(sheet: &mut Sheet) -> Result<(), SyntheticError> {
    let names = ["code", "sub_icb_code", "icb_code", "region_code", "urban_rural"];
    let slots = texts(sheet, names)?;
    let rank = sheet.slot("imd_rank", Kind::Int)?;
    let decile = sheet.slot("imd_decile", Kind::Int)?;
    for area in &WORLD.areas {
        let part = &WORLD.parts[area.part];
        let board = &WORLD.boards[part.board];
        let region = &REGIONS[BOARDS[part.board].region];
        sheet.int(rank, i64::from(area.rank));
        sheet.int(decile, i64::from(area.decile));
        let kind = if area.rural { "Rural" } else { "Urban" };
        row(sheet, slots, [&area.code, &part.code, &board.code, region.nhs, kind]);
    }
    Ok(())
}
