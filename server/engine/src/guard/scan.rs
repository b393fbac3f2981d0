//! Swapping a granted table for the stored one: years, rows and columns of the agreement lie below
//! everything the analyst wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::DataType;
use cordon_catalogue::{Class, Domain, TableDescription, TableKind};
use cordon_disclosure::sabotage::{Control, is_off};
use cordon_disclosure::{Code, Refusal};
use cordon_store::{ANONYMOUS, PERSON};
use datafusion::common::{Column, Result, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, Operator, TableScan, binary_expr, col, lit,
};

use super::listing::{self, Chosen, Part};
use super::relation::{ColumnClass, Facts, Kind, Number, Open, Origin, Personal, Rel};
use super::{Guard, internal};
use crate::authorise::{Granted, OwnView};
use crate::released::ReleasedSource;

impl Guard<'_> {
    pub(super) fn scan(&mut self, scan: &TableScan) -> std::result::Result<Rel, Refusal> {
        if scan.fetch.is_some() || !scan.filters.is_empty() || scan.projection.is_some() {
            return Err(Refusal::new(Code::PlanNotOffered, "a scan of this shape is not offered"));
        }
        if let Some(granted) = scan.source.downcast_ref::<Granted>() {
            let table = Arc::clone(&granted.table);
            return match &table.kind {
                TableKind::Protected { .. } => self.protected(scan, &table),
                TableKind::Public { key } => {
                    let keys = key
                        .iter()
                        .filter_map(|k| table.columns.iter().position(|c| c.name == *k))
                        .collect();
                    let open = Open { keys: vec![keys], ..Open::default() };
                    self.public(scan, &table, open)
                }
            };
        }
        if let Some(view) = scan.source.downcast_ref::<OwnView>() {
            let columns = vec![Facts::default(); scan.projected_schema.fields().len()];
            let provider: Arc<dyn datafusion::catalog::TableProvider> = view.table.clone();
            let plan = LogicalPlanBuilder::scan(
                scan.table_name.clone(),
                provider_as_source(provider),
                None,
            )
            .and_then(LogicalPlanBuilder::build)
            .map_err(internal)?;
            // It holds the analyst's own words: joined with patients, a list of people could come in by it.
            let open = Open { literal: true, ..Open::default() };
            return Ok(Rel { plan, columns, kind: Kind::Open(open) });
        }
        if scan.source.is::<ReleasedSource>() {
            return Err(Refusal::new(
                Code::PlanNotOffered,
                "a released table is not scanned twice",
            ));
        }
        Err(Refusal::new(Code::PlanNotOffered, "a scan of an unknown source is not offered"))
    }

    fn public(
        &self,
        scan: &TableScan,
        table: &Arc<TableDescription>,
        open: Open,
    ) -> std::result::Result<Rel, Refusal> {
        let provider = self.provider(table)?;
        let names: Vec<_> = table.columns.iter().map(|c| c.name.as_str()).collect();
        let plan =
            LogicalPlanBuilder::scan(scan.table_name.clone(), provider_as_source(provider), None)
                .and_then(|b| {
                    b.project(
                        names
                            .iter()
                            .map(|n| Expr::Column(Column::new(Some(scan.table_name.clone()), *n))),
                    )
                })
                .and_then(LogicalPlanBuilder::build)
                .map_err(internal)?;
        let columns = table
            .columns
            .iter()
            .map(|c| {
                let origin = (table.name.clone(), c.name.clone());
                Facts {
                    sources: [origin.clone()].into(),
                    tested: [origin.clone()].into(),
                    says: column_says(&origin),
                    bytes: LONGEST_TITLE,
                    origin: Some(origin),
                    ..Facts::default()
                }
            })
            .collect();
        Ok(Rel { plan, columns, kind: Kind::Open(open) })
    }

    fn provider(
        &self,
        table: &TableDescription,
    ) -> std::result::Result<Arc<dyn datafusion::catalog::TableProvider>, Refusal> {
        self.pinned.provider(&table.name, self.partitions).ok_or_else(|| {
            crate::parse::unknown_table(table.name.as_str())
                .instead("ask the data manager to load it")
        })
    }

    fn protected(
        &mut self,
        scan: &TableScan,
        table: &Arc<TableDescription>,
    ) -> std::result::Result<Rel, Refusal> {
        let TableKind::Protected { person, record, year, one_row_per_person, .. } = &table.kind
        else {
            return Err(Refusal::new(Code::PlanNotOffered, "a table of this kind is not offered"));
        };
        let grant = self
            .permit
            .grant(&table.name)
            .cloned()
            .ok_or_else(|| crate::parse::unknown_table(table.name.as_str()))?;
        let hidden = self.hidden_name();
        let off = |control| is_off(control) || (is_off(Control::SecondScan) && self.names > 1);
        let mut filters = Vec::new();
        let mut restrictions = Vec::new();
        if let Some((first, last)) = &grant.years {
            let years = years(first, last).ok_or_else(|| {
                Refusal::new(Code::AgreementExpired, "the agreement's years cannot be read")
            })?;
            let predicate = col(year.as_str()).in_list(years.into_iter().map(lit).collect(), false);
            restrictions.push(((table.name.clone(), year.clone()), predicate.clone()));
            filters.extend(Some(predicate).filter(|_| !off(Control::Years)));
        }
        if let Some(rows) = &grant.rows {
            let predicate = col(rows.column.as_str())
                .in_list(rows.one_of.iter().map(|v| lit(v.clone())).collect(), false);
            restrictions.push(((table.name.clone(), rows.column.clone()), predicate.clone()));
            filters.extend(Some(predicate).filter(|_| !off(Control::Rows)));
        }
        let keeps = self.opt_outs.keeps(col(PERSON));
        filters.extend(keeps.into_iter().filter(|_| !off(Control::OptOuts)));
        let mut visible = Vec::new();
        let mut columns = Vec::new();
        for field in scan.projected_schema.fields() {
            let described = table.column(field.name()).ok_or_else(|| {
                Refusal::new(Code::PlanNotOffered, "a column without a description is not offered")
            })?;
            let origin = (table.name.clone(), described.name.clone());
            if described.name == *person {
                visible.push(pseudonym().alias(described.name.as_str()));
                columns.push(Facts {
                    class: ColumnClass::Pseudonym,
                    says: column_says(&origin),
                    origin: Some(origin),
                    singles_out: true,
                    ..Facts::default()
                });
                continue;
            }
            let class = if described.class == Class::RecordKey {
                ColumnClass::RecordKey((described.name == *record).then(|| table.name.clone()))
            } else {
                ColumnClass::Plain
            };
            let numeric = described.data_type.is_numeric() && described.class != Class::RecordKey;
            let number = match (&described.bounds, &described.domain) {
                (Some(b), _)
                    if numeric
                        && described.data_type.is_integer()
                        && b.min == 0.0
                        && b.max == 1.0 =>
                {
                    Number::Flag
                }
                (Some(b), _) if numeric => Number::Column(Some((b.min, b.max))),
                (None, None | Some(Domain::Codes | Domain::Table { .. } | Domain::Bounds))
                    if numeric =>
                {
                    Number::Column(None)
                }
                _ => Number::Other,
            };
            let is_date = described.data_type == DataType::Date32;
            // A list of codes is everybody's; a date or a duration singles people out.
            let listed = matches!(described.domain, Some(Domain::Codes | Domain::Table { .. }));
            let scaled = is_date || (numeric && !listed);
            visible.push(col(described.name.as_str()));
            columns.push(Facts {
                class,
                sources: [origin.clone()].into(),
                tested: [origin.clone()].into(),
                says: column_says(&origin),
                scale: scaled.then(|| (origin.clone(), Part::Value)).into_iter().collect(),
                period: (is_date || described.name == *year).then(|| origin.clone()),
                origin: Some(origin),
                number,
                singles_out: !described.groupable,
                bytes: LONGEST_CODE,
                ..Facts::default()
            });
        }
        visible.push(col(PERSON).alias(&hidden));
        let provider = self.provider(table)?;
        let plan =
            stored_scan(provider, filters, visible, scan.table_name.clone()).map_err(internal)?;
        let personal = Personal {
            base: Some(table.name.clone()),
            one_per_person: *one_row_per_person,
            limited: false,
            restrictions,
            chosen: Chosen::default(),
            fans: 0,
            meetings: 0,
            copies: BTreeMap::from([(table.name.clone(), 1)]),
        };
        Ok(Rel { plan, columns, kind: Kind::Personal(personal) })
    }
}

/// Longest text of a patient's row and of a reference table, bytes: codes and names.
const LONGEST_CODE: usize = 128;
const LONGEST_TITLE: usize = 512;

/// SubqueryAlias(Projection(granted and hidden columns, Filter(years and rows, full scan))).
fn stored_scan(
    provider: Arc<dyn datafusion::catalog::TableProvider>,
    filters: Vec<Expr>,
    visible: Vec<Expr>,
    name: TableReference,
) -> Result<LogicalPlan> {
    let mut builder = LogicalPlanBuilder::scan("stored", provider_as_source(provider), None)?;
    for filter in filters {
        builder = builder.filter(filter)?;
    }
    builder.project(visible)?.alias(name)?.build()
}

fn column_says((table, column): &Origin) -> u64 {
    listing::digest(&format!("{table}.{column}"))
}

/// The person's number under the pseudonym's name; null for a record that has no pseudonym.
fn pseudonym() -> Expr {
    let named = binary_expr(
        binary_expr(col(PERSON), Operator::BitwiseAnd, lit(ANONYMOUS)),
        Operator::Eq,
        lit(0i64),
    );
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(named), Box::new(col(PERSON)))],
        else_expr: None,
    })
}

/// All financial years from one to another: `1819`, `1920`, … `2223`.
fn years(first: &str, last: &str) -> Option<Vec<String>> {
    let start = first.get(..2)?.parse::<u32>().ok()?;
    let mut years = Vec::new();
    for n in 0..100 {
        let (a, b) = ((start + n) % 100, (start + n + 1) % 100);
        let year = format!("{a:02}{b:02}");
        let done = year == last;
        years.push(year);
        if done {
            return Some(years);
        }
    }
    None
}
