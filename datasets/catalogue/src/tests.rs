//! The files that ship, what they promise, and what is said of files that cannot be right.

use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::DataType;

use crate::{
    Bounds, Catalogue, CatalogueError, Class, Domain, TableDescription, TableKind, TableName,
};

mod errors;
mod published;

fn built_in() -> Catalogue {
    Catalogue::built_in().expect("the embedded files are right")
}

fn name(text: &str) -> TableName {
    text.parse().expect("a table name")
}

fn table<'a>(catalogue: &'a Catalogue, text: &str) -> &'a TableDescription {
    catalogue.table(&name(text)).expect("a described table")
}

fn read(text: &str) -> Result<Catalogue, CatalogueError> {
    Catalogue::from_toml([("test.toml".to_owned(), text.to_owned())])
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> &'a StringArray {
    rows.column_by_name(name).and_then(|c| c.as_any().downcast_ref()).expect("a text column")
}

#[test]
fn hes_tables_have_as_many_columns_as_published() {
    let catalogue = built_in();
    assert_eq!(table(&catalogue, "hes.apc").columns.len(), 193);
    assert_eq!(table(&catalogue, "hes.op").columns.len(), 157);
    assert_eq!(table(&catalogue, "hes.ae").columns.len(), 165);
}

#[test]
fn hes_tables_name_their_person_record_year_and_date() {
    let catalogue = built_in();
    for (table_name, key, day) in [
        ("hes.apc", "epikey", "epistart"),
        ("hes.op", "attendkey", "apptdate"),
        ("hes.ae", "aekey", "arrivaldate"),
    ] {
        let TableKind::Protected { person, record, year, date, one_row_per_person } =
            &table(&catalogue, table_name).kind
        else {
            panic!("{table_name} is about patients");
        };
        assert_eq!(person.as_str(), "pseudo_hesid");
        assert_eq!(record.as_str(), key);
        assert_eq!(year.as_str(), "fyear");
        assert_eq!(date.as_str(), day);
        assert!(!one_row_per_person);
    }
}

#[test]
fn nothing_that_names_a_person_or_record_may_be_grouped_by() {
    for table in built_in().tables() {
        for column in &table.columns {
            let names = matches!(column.class, Class::Pseudonym | Class::RecordKey);
            assert!(!(names && column.groupable), "{}.{}", table.name, column.name);
            assert_ne!(column.class, Class::DirectIdentifier, "{}.{}", table.name, column.name);
        }
    }
}

#[test]
fn every_measure_has_bounds() {
    for table in built_in().tables() {
        for column in table.columns.iter().filter(|c| c.class == Class::Measure) {
            assert!(column.bounds.is_some(), "{}.{}", table.name, column.name);
        }
    }
}

#[test]
fn code_positions_form_lists() {
    let catalogue = built_in();
    let positions = |table_name: &str, list: &str| {
        let in_list = |c: &&crate::ColumnDescription| c.list.as_deref() == Some(list);
        table(&catalogue, table_name).columns.iter().filter(in_list).count()
    };
    for list in ["diag_3", "diag_4"] {
        assert_eq!((positions("hes.apc", list), positions("hes.op", list)), (20, 12));
    }
    for list in ["opertn_3", "opertn_4"] {
        assert_eq!((positions("hes.apc", list), positions("hes.op", list)), (24, 24));
    }
    for list in ["diag2", "diag3", "diaga", "diags", "invest2", "treat2", "treat3"] {
        assert_eq!(positions("hes.ae", list), 12);
    }
    let third = table(&catalogue, "hes.apc").column("diag_4_03").expect("a position");
    assert_eq!(third.meaning, "Diagnosis in position 3, ICD-10, 4 characters without the dot");
}

#[test]
fn borrowed_columns_are_described_alike() {
    let catalogue = built_in();
    let apc = table(&catalogue, "hes.apc");
    for other in ["hes.op", "hes.ae"] {
        let other = table(&catalogue, other);
        for shared in ["sex", "ethnos", "procode3", "lsoa11", "pseudo_hesid"] {
            let (here, there) =
                (apc.column(shared).expect("in apc"), other.column(shared).expect("there too"));
            assert_eq!(here.meaning, there.meaning);
            assert_eq!(here.codes, there.codes);
            assert_eq!(here.domain, there.domain);
        }
    }
}

#[test]
fn codes_of_emergency_care_stand_in_both_lengths() {
    let catalogue = built_in();
    for list in ["ae_diagnosis", "ae_treatment"] {
        let codes: Vec<&str> =
            catalogue.code_list(list).expect("a list").iter().map(|c| c.code.as_str()).collect();
        let alone = codes.iter().find(|code| code.len() == 3 && !codes.contains(&&code[..2]));
        assert_eq!(alone, None, "{list}: a code without its shorter form");
    }
    let ae = table(&catalogue, "hes.ae");
    for (long, short) in [("diag3_01", "diag2_01"), ("treat3_12", "treat2_12")] {
        assert_eq!(ae.column(long).map(|c| &c.codes), ae.column(short).map(|c| &c.codes));
    }
}

#[test]
fn minutes_in_the_department_have_a_day_at_most() {
    let catalogue = built_in();
    let ae = table(&catalogue, "hes.ae");
    for column in ["initdur", "tretdur", "concldur", "depdur"] {
        let bounds = ae.column(column).and_then(|c| c.bounds);
        assert_eq!(bounds, Some(Bounds { min: 0.0, max: 24.0 * 60.0 }), "{column}");
    }
}

#[test]
fn domains_and_bounds_are_read() {
    let catalogue = built_in();
    let apc = table(&catalogue, "hes.apc");
    assert_eq!(apc.column("sex").and_then(|c| c.domain.clone()), Some(Domain::Codes));
    let provider =
        Domain::Table { table: name("ref.organisation"), column: "code".parse().expect("a name") };
    assert_eq!(apc.column("procode3").and_then(|c| c.domain.clone()), Some(provider));
    assert_eq!(apc.column("fae").and_then(|c| c.bounds), Some(Bounds { min: 0.0, max: 1.0 }));
    assert_eq!(apc.column("startage").and_then(|c| c.bounds), None, "its codes are no ages");
    let decile = table(&catalogue, "ref.lsoa").column("imd_decile").expect("a decile");
    assert_eq!(
        (decile.domain.clone(), &decile.data_type),
        (Some(Domain::Bounds), &DataType::Int32)
    );
    assert_eq!(apc.column("alcnrwfrac").map(|c| &c.data_type), Some(&DataType::Decimal128(16, 15)));
}

#[test]
fn code_lists_are_tables_too() {
    let catalogue = built_in();
    for list in [
        "sex",
        "ethnos",
        "admimeth",
        "admisorc",
        "disdest",
        "dismeth",
        "classpat",
        "mainspef",
        "tretspef",
        "attended",
        "firstatt",
        "outcome",
        "aeattenddisp",
        "aedepttype",
        "aepatgroup",
        "aerefsource",
        "ae_diagnosis",
    ] {
        let rows = catalogue.reference_rows(&name(&format!("ref.{list}"))).expect("stated rows");
        let codes = catalogue.code_list(list).expect("a list");
        assert_eq!(rows.num_rows(), codes.len());
        let described = table(&catalogue, &format!("ref.{list}"));
        assert_eq!(rows.schema(), described.schema());
        assert_eq!(column(&rows, "code").value(0), codes[0].code);
        assert_eq!(column(&rows, "title").value(0), codes[0].meaning);
    }
}

#[test]
fn common_diagnoses_stand_in_both_lengths() {
    let rows = built_in().reference_rows(&name("ref.icd10")).expect("stated rows");
    let codes: Vec<&str> = column(&rows, "code").iter().flatten().collect();
    for code in
        ["I21", "I214", "I10", "I10X", "E119", "J440", "S721", "O342", "U071", "W19", "V43", "X60"]
    {
        assert!(codes.contains(&code), "{code}");
    }
    assert!(codes.iter().all(|code| matches!(code.len(), 3 | 4)));
    let short_form_missing =
        codes.iter().find(|code| code.len() == 4 && !codes.contains(&&code[..3]));
    assert_eq!(short_form_missing, None);
    let chapters: std::collections::BTreeSet<&str> =
        column(&rows, "chapter").iter().flatten().collect();
    assert_eq!(chapters.len(), 22);
}

#[test]
fn procedures_and_groups_belong_to_the_chapter_of_their_first_letter() {
    for (table_name, least) in [("ref.opcs4", 90), ("ref.hrg", 60)] {
        let rows = built_in().reference_rows(&name(table_name)).expect("stated rows");
        assert!(rows.num_rows() >= least, "{table_name}");
        for (code, chapter) in column(&rows, "code").iter().zip(column(&rows, "chapter").iter()) {
            assert_eq!(code.and_then(|c| c.get(..1)), chapter);
        }
    }
}

#[test]
fn places_are_described_but_not_stated() {
    let catalogue = built_in();
    for place in ["organisation", "icb", "sub_icb", "region", "practice", "lsoa"] {
        let place = name(&format!("ref.{place}"));
        assert!(catalogue.table(&place).is_some_and(|t| !t.is_protected()), "{place}");
        assert!(catalogue.reference_rows(&place).is_none(), "{place}");
    }
}

#[test]
fn a_registry_is_onboarded_by_description_alone() {
    let text = r#"
        [[table]]
        name = "reg.stroke"
        title = "Stroke registry"
        row = "One admission for a stroke"
        protected = { person = "patient", record = "case_no", year = "fyear", date = "onset", one_row_per_person = true }

        [[table.columns]]
        name = "patient"
        type = "Utf8"
        class = "pseudonym"
        meaning = "Token of the patient"

        [[table.columns]]
        name = "case_no"
        type = "Utf8"
        class = "record_key"
        meaning = "Number of the case"

        [[table.columns]]
        names = ["fyear", "sex", "procode3"]
        as_in = "hes.apc"

        [[table.columns]]
        name = "onset"
        type = "Date32"
        class = "quasi_identifier"
        meaning = "Day of the stroke"

        [[table.columns]]
        name = "severity"
        type = "Utf8"
        class = "sensitive"
        meaning = "How severe it was"
        codes = "severity"
        domain = "codes"

        [lists]
        severity = [["1", "Mild"], ["2", "Severe"]]
    "#;
    let catalogue = built_in()
        .with([("stroke.toml".to_owned(), text.to_owned())])
        .expect("a description that is right");
    let stroke = table(&catalogue, "reg.stroke");
    assert_eq!(stroke.columns.len(), 7);
    assert_eq!(stroke.column("severity").map(|c| c.codes.len()), Some(2));
    assert!(stroke.column("sex").is_some_and(|c| c.groupable));
    assert!(matches!(stroke.kind, TableKind::Protected { one_row_per_person: true, .. }));
    assert_eq!(table(&catalogue, "hes.apc").columns.len(), 193);
}
