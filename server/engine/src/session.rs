//! One configuration of DataFusion for all queries.

use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;

use crate::EngineSettings;
use crate::sides::NobodyFirst;

/// The same for plans over released tables: one partition, so that rows that nobody put in order come in the same
/// order every time. It may not tell which thread was ready first.
pub(crate) fn in_order(state: &SessionState) -> SessionState {
    let one = state.config().clone().with_target_partitions(1);
    SessionStateBuilder::new_from_existing(state.clone()).with_config(one).build()
}

/// The same for a few made-up rows: memory that no other query can use up.
pub(crate) fn rehearsal(state: &SessionState) -> SessionState {
    SessionStateBuilder::new_from_existing(in_order(state)).with_runtime_env(Arc::default()).build()
}

pub(crate) fn state(settings: &EngineSettings) -> std::io::Result<SessionState> {
    // What an earlier process spilled is nobody's any more.
    match std::fs::remove_dir_all(&settings.spill_dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => std::fs::create_dir_all(&settings.spill_dir)?,
    }
    let mut config = SessionConfig::new()
        .with_target_partitions(settings.threads.max(1))
        .with_information_schema(false)
        // A person's rows stay together: files are not split, streams not shuffled row by row.
        .with_repartition_file_scans(false)
        .with_round_robin_repartition(false)
        .with_collect_statistics(false);
    let options = config.options_mut();
    options.sql_parser.map_string_types_to_utf8view = false;
    // What one side of a join holds may not decide what is read of the other.
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.execution.skip_partial_aggregation_probe_ratio_threshold = 1.1;
    options.execution.parquet.schema_force_view_types = false;
    let top = std::num::NonZeroUsize::MIN;
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(
            FairSpillPool::new(settings.memory_bytes),
            top,
        )))
        .with_disk_manager_builder(
            DiskManagerBuilder::default()
                .with_mode(DiskManagerMode::Directories(vec![settings.spill_dir.clone()]))
                .with_max_temp_directory_size(settings.spill_bytes),
        )
        .build_arc()
        .map_err(|e| std::io::Error::other(e.to_string()))?;
    let mut rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = vec![Arc::new(NobodyFirst)];
    rules.extend(PhysicalOptimizer::new().rules);
    Ok(SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_physical_optimizer_rules(rules)
        .with_runtime_env(runtime)
        .build())
}
