//! The complete list of a table's possible keys, where it is public: then it is listed, whoever is in which group.

use std::collections::BTreeSet;

use cordon_catalogue::Domain as PublicDomain;
use cordon_disclosure::Protection;
use datafusion::common::Result as DfResult;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col, lit};

use super::relation::{Facts, Origin, Rel};
use super::{Guard, total};
use crate::execute::MAX_DOMAIN;

/// A public domain: for each key the plan that lists its values; for each grouping set the keys it shows.
#[derive(PartialEq)]
pub(crate) struct Domain {
    pub(crate) values: Vec<LogicalPlan>,
    /// Which keys stand in each grouping set; one set of all without grouping sets.
    pub(crate) sets: Vec<BTreeSet<usize>>,
}

impl Guard<'_> {
    /// The complete list of possible keys: where every key is a plain column of a table of patients with a
    /// public domain. Values that the statement's or the permit's own filters exclude are left out.
    pub(super) fn domain(
        &self,
        keys: &[Facts],
        sets: Option<&[Vec<usize>]>,
        input: &Rel,
    ) -> Option<Domain> {
        if keys.is_empty() {
            return None;
        }
        let restrictions = &input.personal()?.restrictions;
        let values = keys
            .iter()
            .map(|k| {
                let origin = k.origin.as_ref()?;
                self.catalogue.table(&origin.0)?.is_protected().then_some(())?;
                self.domain_of(origin, restrictions).ok()?
            })
            .collect::<Option<Vec<_>>>()?;
        let sets: Vec<BTreeSet<usize>> = match sets {
            Some(sets) => sets.iter().map(|s| s.iter().copied().collect()).collect(),
            None => vec![(0..keys.len()).collect()],
        };
        let private = matches!(self.permit.profile().protection(), Protection::Privacy(_));
        // What a statement costs there is told before anything runs: whether the list is used must be known by then.
        (!private || self.most_rows(keys, &sets)? <= MAX_DOMAIN).then_some(Domain { values, sets })
    }

    /// How many rows a public list has at most.
    fn most_rows(&self, keys: &[Facts], sets: &[BTreeSet<usize>]) -> Option<usize> {
        let values = |key: &Facts| -> Option<usize> {
            let (table, column) = key.origin.as_ref()?;
            let described = self.catalogue.table(table)?.column(column.as_str())?;
            match described.domain.as_ref()? {
                PublicDomain::Codes => Some(described.codes.len()),
                PublicDomain::Bounds => {
                    let bounds = described.bounds?;
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "the catalogue holds at most 200 whole values"
                    )]
                    let values = (bounds.max - bounds.min + 1.0) as usize;
                    Some(values)
                }
                PublicDomain::Table { table, .. } => usize::try_from(self.pinned.rows(table)?).ok(),
            }
        };
        sets.iter().try_fold(0usize, |all, set| {
            let mut keys = set.iter().filter_map(|key| keys.get(*key));
            let rows = keys.try_fold(1usize, |rows, key| rows.checked_mul(values(key)?))?;
            all.checked_add(rows)
        })
    }

    fn domain_of(
        &self,
        origin: &Origin,
        restrictions: &[(Origin, Expr)],
    ) -> DfResult<Option<LogicalPlan>> {
        let Some(described) =
            self.catalogue.table(&origin.0).and_then(|t| t.column(origin.1.as_str()))
        else {
            return Ok(None);
        };
        let name = origin.1.as_str();
        let listed = match &described.domain {
            None => return Ok(None),
            Some(PublicDomain::Codes) => {
                let rows =
                    described.codes.iter().map(|c| vec![lit(c.code.clone())]).collect::<Vec<_>>();
                LogicalPlanBuilder::values(rows)?.project(vec![col("column1").alias(name)])?
            }
            Some(PublicDomain::Bounds) => {
                let Some(bounds) = described.bounds else { return Ok(None) };
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the catalogue holds at most 200 whole values"
                )]
                let rows = (bounds.min as i64..=bounds.max as i64)
                    .map(|v| vec![lit(v)])
                    .collect::<Vec<_>>();
                LogicalPlanBuilder::values(rows)?.project(vec![col("column1").alias(name)])?
            }
            Some(PublicDomain::Table { table, column }) => {
                let Some(provider) = self.pinned.provider(table, 1) else { return Ok(None) };
                LogicalPlanBuilder::scan("listed", provider_as_source(provider), None)?
                    .project(vec![col(column.as_str()).alias(name)])?
                    .filter(col(name).is_not_null())?
                    .distinct()?
            }
        };
        let mut listed =
            listed.project(vec![total::try_cast(col(name), &described.data_type).alias(name)])?;
        for (_, predicate) in restrictions.iter().filter(|(o, _)| o == origin) {
            listed = listed.filter(predicate.clone())?;
        }
        listed.build().map(Some)
    }
}
