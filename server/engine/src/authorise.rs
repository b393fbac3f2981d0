//! A parsed SELECT, planned over the tables and columns that exist for a permit, and nothing else.
//!
//! The check *is* the planning: a column that is not granted is not in the schema that names are
//! resolved against, so it cannot be told from one that does not exist. Rows are cut down in `guard`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use cordon_agreements::Permit;
use cordon_catalogue::{Catalogue, TableDescription, TableName};
use cordon_disclosure::{Code, Place, Refusal};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, SchemaError, Spans, TableReference};
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::sql::planner::{NullOrdering, ParserOptions, SqlToRel};

use crate::functions;
use crate::parse::{ParsedQuery, Spots, shorten, unknown_table};

/// A plan whose every table and column is granted. Rows are not filtered yet: it cannot be run.
pub(crate) struct AuthorisedPlan {
    pub(crate) plan: LogicalPlan,
    pub(crate) permit: Permit,
    pub(crate) spots: Spots,
    pub(crate) parameters: Vec<Option<DataType>>,
}

/// A catalogued table as a permit shows it: granted columns only. The physical planner does not take it,
/// so a scan that `guard` forgets to swap fails loudly.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) table: Arc<TableDescription>,
    schema: SchemaRef,
}

impl TableSource for Granted {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// A table that this house makes for the asking analyst: `information_schema`, `my`.
#[derive(Debug)]
pub(crate) struct OwnView {
    pub(crate) table: Arc<MemTable>,
    schema: SchemaRef,
}

impl TableSource for OwnView {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The schema of a catalogued table as a permit shows it; none: it does not exist.
pub(crate) fn visible_schema(table: &TableDescription, permit: &Permit) -> Option<SchemaRef> {
    if !table.is_protected() {
        return Some(table.schema());
    }
    let grant = permit.grant(&table.name)?;
    let all = table.schema();
    let fields: Vec<_> = all
        .fields()
        .iter()
        .filter(|f| grant.columns.iter().any(|c| c.as_str() == f.name()))
        .cloned()
        .collect();
    Some(Arc::new(Schema::new(fields)))
}

/// Plans a query for a permit.
pub(crate) fn authorise(
    query: ParsedQuery,
    permit: Permit,
    catalogue: &Catalogue,
    views: &BTreeMap<TableName, RecordBatch>,
    state: &SessionState,
) -> Result<AuthorisedPlan, Refusal> {
    let world = World { catalogue, permit: &permit, views, state };
    let options = ParserOptions::new()
        .with_collect_spans(true)
        .with_map_string_types_to_utf8view(false)
        .with_default_null_ordering(NullOrdering::NullsLast);
    let place = |e: &DataFusionError| plan_refusal(e, query.spots());
    let plan = SqlToRel::new_with_options(&world, options)
        .sql_statement_to_plan(query.statement().clone())
        .map_err(|e| place(&e))?;
    no_reserved_names(&plan)?;
    let types = plan.get_parameter_types().map_err(|e| place(&e))?;
    let parameters =
        (1..=query.parameters()).map(|n| types.get(&format!("${n}")).cloned().flatten()).collect();
    let plan = state
        .analyzer()
        .execute_and_check(plan, state.config_options(), |_, _| {})
        .map_err(|e| place(&e))?;
    Ok(AuthorisedPlan { plan, permit, spots: query.spots().clone(), parameters })
}

/// Names that begin with `_` are ours, also where they are quoted as texts.
fn no_reserved_names(plan: &LogicalPlan) -> Result<(), Refusal> {
    let mut taken = None;
    let walked = plan.apply_with_subqueries(|node| {
        let alias = match node {
            LogicalPlan::SubqueryAlias(a) => Some(a.alias.table()),
            _ => None,
        };
        taken = taken.take().or(alias.filter(|a| a.starts_with('_')).map(str::to_owned));
        node.apply_expressions(|e| {
            e.apply(|e| {
                if let Expr::Alias(a) = e
                    && a.name.starts_with('_')
                {
                    taken = Some(a.name.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    match (walked, taken) {
        (Ok(_), None) => Ok(()),
        (_, Some(name)) => Err(Refusal::new(
            Code::ReservedName,
            format!("`{}` begins with `_`", crate::parse::shorten(&name)),
        )),
        (Err(_), None) => {
            Err(Refusal::new(Code::PlanNotOffered, "a statement of this kind is not offered"))
        }
    }
}

/// What the planner may look up.
struct World<'a> {
    catalogue: &'a Catalogue,
    permit: &'a Permit,
    views: &'a BTreeMap<TableName, RecordBatch>,
    state: &'a SessionState,
}

impl World<'_> {
    /// A table that exists for the analyst and has this name in whatever group.
    fn meant(&self, table: &str) -> Option<String> {
        let granted = self.catalogue.tables().filter(|t| visible_schema(t, self.permit).is_some());
        granted
            .map(|t| &t.name)
            .find(|name| near(name.name(), table) || name.name() == table)
            .map(TableName::to_string)
    }
}

impl ContextProvider for World<'_> {
    fn get_table_source(
        &self,
        name: TableReference,
    ) -> datafusion::common::Result<Arc<dyn TableSource>> {
        let unknown = || {
            let refusal = unknown_table(&name.to_string());
            let meant = self.meant(name.table());
            DataFusionError::External(Box::new(match meant {
                Some(known) => refusal.instead(format!("did you mean `{known}`?")),
                None => refusal,
            }))
        };
        if name.catalog().is_some_and(|c| c != "cordon") {
            return Err(unknown());
        }
        let full = format!("{}.{}", name.schema().unwrap_or_default(), name.table());
        let table = full.parse::<TableName>().map_err(|_| unknown())?;
        if let Some(batch) = self.views.get(&table) {
            let schema = batch.schema();
            let view = MemTable::try_new(Arc::clone(&schema), vec![vec![batch.clone()]])?;
            return Ok(Arc::new(OwnView { table: Arc::new(view), schema }));
        }
        let table = self.catalogue.table(&table).ok_or_else(unknown)?;
        let schema = visible_schema(table, self.permit).ok_or_else(unknown)?;
        Ok(Arc::new(Granted { table: Arc::clone(table), schema }))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        None
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        functions::is_known(name)
            .then(|| self.state.scalar_functions().get(name).cloned())
            .flatten()
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        functions::is_known(name)
            .then(|| self.state.aggregate_functions().get(name).cloned())
            .flatten()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        functions::is_known(name)
            .then(|| self.state.window_functions().get(name).cloned())
            .flatten()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A planner's error as a refusal. Planning has seen the text and the granted schema, no row: its
/// sentence may be shown, shortened to one line.
pub(crate) fn plan_refusal(error: &DataFusionError, spots: &Spots) -> Refusal {
    match error {
        DataFusionError::External(inner) => match inner.downcast_ref::<Refusal>() {
            Some(refusal) => {
                let last =
                    refusal.what.rsplit(['.', '`']).find(|w| !w.is_empty()).unwrap_or_default();
                refusal.clone().at(spots.first(last))
            }
            None => Refusal::new(Code::PlanError, "the statement cannot be planned"),
        },
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let near = valid_fields
                    .iter()
                    .map(|c| c.name.as_str())
                    .filter(|known| near(known, &field.name))
                    .min()
                    .map(|known| format!("did you mean `{}`?", shorten(known)));
                let refusal = Refusal::new(
                    Code::UnknownColumn,
                    format!("there is no column `{}`", shorten(&field.name)),
                )
                .at(span_place(field.spans()).or_else(|| spots.first(&field.name)));
                match near {
                    Some(hint) => refusal.instead(hint),
                    None => refusal,
                }
            }
            SchemaError::AmbiguousReference { field } => Refusal::new(
                Code::PlanError,
                format!("`{}` could be a column of several tables", shorten(&field.name)),
            )
            .at(span_place(field.spans()))
            .instead("write the table's name before it"),
            SchemaError::DuplicateQualifiedField { name, .. }
            | SchemaError::DuplicateUnqualifiedField { name } => {
                Refusal::new(Code::PlanError, format!("two columns are called `{}`", shorten(name)))
                    .instead("give one of them another name with AS")
            }
        },
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let place =
                diagnostic.span.map(|s| Place { line: s.start.line, column: s.start.column });
            plan_refusal(inner, spots).at(place)
        }
        DataFusionError::Context(_, inner) => plan_refusal(inner, spots),
        DataFusionError::Shared(inner) => plan_refusal(inner, spots),
        DataFusionError::Collection(errors) => errors.first().map_or_else(
            || Refusal::new(Code::PlanError, "the statement cannot be planned"),
            |e| plan_refusal(e, spots),
        ),
        DataFusionError::Plan(message) | DataFusionError::NotImplemented(message) => {
            let line = message.lines().next().unwrap_or_default();
            if let Some(refusal) = wrong_arguments(line, spots) {
                return refusal;
            }
            let line: String = line.chars().filter(|c| !c.is_control()).take(240).collect();
            let mut chars = line.chars();
            let line = chars
                .next()
                .map(|c| c.to_lowercase().chain(chars).collect::<String>())
                .unwrap_or_default();
            Refusal::new(Code::PlanError, line.trim_end_matches('.').to_owned())
        }
        _ => Refusal::new(Code::PlanError, "the statement cannot be planned"),
    }
}

/// The planner's long sentence about a function that was given arguments of other types than it takes.
fn wrong_arguments(message: &str, spots: &Spots) -> Option<Refusal> {
    let mismatch = ["failed to match any signature", "No function matches", "Failed to coerce"];
    if !mismatch.iter().any(|known| message.contains(known)) {
        return None;
    }
    let name = message
        .split(['\'', '(', '`'])
        .map(|word| word.trim().to_lowercase())
        .find(|word| functions::is_known(word))?;
    Some(
        Refusal::new(Code::PlanError, format!("`{name}` does not take arguments of these types"))
            .at(spots.first(&name))
            .instead("DESCRIBE shows the types; codes are text and cannot be added up"),
    )
}

/// Where a column stands in the text.
pub(crate) fn span_place(spans: &Spans) -> Option<Place> {
    spans.first().map(|s| Place { line: s.start.line, column: s.start.column })
}

/// One letter wrong, missing, or too many.
fn near(known: &str, typed: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) =
        (known.chars().collect(), typed.to_lowercase().chars().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let longest = a.len().max(b.len());
    longest > 2 && a.len().abs_diff(b.len()) <= 1 && head + tail + 1 >= longest
}
