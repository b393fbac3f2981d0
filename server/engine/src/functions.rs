//! The functions that exist. Allow-lists: an unknown one is refused.

/// Over patients' rows: total after our rewrites, deterministic, and too coarse to draw arbitrary subsets.
pub(crate) const PERSONAL_SCALAR: &[&str] = &[
    "date_trunc",
    "date_part",
    "coalesce",
    "nullif",
    "upper",
    "lower",
    "btrim",
    "trim",
    "ltrim",
    "rtrim",
    "left",
    "substr",
    "substring",
    "concat",
    "concat_ws",
    "character_length",
    "char_length",
    "length",
    "starts_with",
    "greatest",
    "least",
    "abs",
    "round",
    "floor",
    "ceil",
    "cordon_add",
    "cordon_sub",
    "cordon_mul",
    "cordon_div",
    "current_date",
    "today",
];

/// Over released figures and reference tables, where any deterministic function is post-processing.
pub(crate) const PUBLIC_SCALAR: &[&str] = &[
    "sqrt",
    "exp",
    "ln",
    "log",
    "log2",
    "log10",
    "power",
    "pow",
    "trunc",
    "signum",
    "right",
    "replace",
    "reverse",
    "split_part",
    "strpos",
    "position",
    "initcap",
    "ends_with",
    "contains",
    "nvl",
    "nvl2",
    "ifnull",
    "isnan",
    "nanvl",
    "pi",
    "arrow_cast",
    "make_date",
    "sin",
    "cos",
    "tan",
    "degrees",
    "radians",
    "atan",
    "asin",
    "acos",
    "cbrt",
    "cordon_significant",
];

/// Inside one person, where a value repeats nobody else's.
pub(crate) const PERSON_AGGREGATE: &[&str] = &[
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "first_value",
    "last_value",
    "median",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "var",
    "var_samp",
    "var_pop",
    "grouping",
];

/// At a cut: what turns into a canonical measure.
pub(crate) const CUT_AGGREGATE: &[&str] = &["count", "sum", "avg", "mean", "grouping"];

/// At a cut: what derives from released sums of values, squares and products.
pub(crate) const MOMENTS: &[&str] = &[
    "var",
    "var_pop",
    "stddev",
    "stddev_pop",
    "covar_samp",
    "covar_pop",
    "corr",
    "regr_slope",
    "regr_intercept",
    "regr_count",
    "regr_r2",
    "regr_avgx",
    "regr_avgy",
    "regr_sxx",
    "regr_syy",
    "regr_sxy",
];

/// At a cut: what is read off released counts by the bins of a public grid.
pub(crate) const QUANTILE: &[&str] =
    &["median", "approx_median", "approx_percentile_cont", "percentile_cont"];

/// Over released figures.
pub(crate) const OUTER_AGGREGATE: &[&str] = &[
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "median",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "var",
    "var_samp",
    "var_pop",
    "var_sample",
    "corr",
    "covar",
    "covar_samp",
    "covar_pop",
    "first_value",
    "last_value",
    "bool_and",
    "bool_or",
    "approx_median",
    "approx_percentile_cont",
    "percentile_cont",
    "regr_slope",
    "regr_intercept",
    "regr_r2",
    "grouping",
    "string_agg",
];

/// Over released figures and reference tables as windows: those that take one row after another. The others begin
/// anew with every row, which nothing stops.
pub(crate) const OUTER_WINDOW: &[&str] = &[
    "count",
    "sum",
    "avg",
    "mean",
    "min",
    "max",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "var",
    "var_samp",
    "var_pop",
    "var_sample",
    "bool_and",
    "bool_or",
    "first_value",
    "last_value",
];

/// Window functions: within a person over patients' rows, anywhere over released figures.
pub(crate) const WINDOW: &[&str] = &[
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

/// Known to the engine, refused over patients' rows with their own text: the safe alternative is named.
pub(crate) const KNOWN_UNSAFE_AGGREGATE: &[&str] = &[
    "array_agg",
    "string_agg",
    "first_value",
    "last_value",
    "nth_value",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "min",
    "max",
    "approx_distinct",
];

/// What to write instead of a function that analysts know from elsewhere.
pub(crate) fn otherwise(name: &str) -> Option<&'static str> {
    Some(match name {
        "year" | "month" | "day" | "week" | "quarter" | "datepart" => {
            "extract(year FROM column), date_part('month', column)"
        }
        "datediff" | "date_diff" | "age" => "subtract: disdate - admidate is a number of days",
        "dateadd" | "date_add" | "date_sub" => "column + INTERVAL '30' DAY",
        "to_char" | "date_format" | "format" | "date_bin" | "to_date" | "to_timestamp" => {
            "date_trunc('month', column) for periods, DATE '2022-04-01' for a day"
        }
        "make_date" => "DATE '2022-04-01'",
        "count_if" | "countif" => "count(*) FILTER (WHERE …)",
        "iif" | "if" | "decode" => "CASE WHEN … THEN … ELSE … END",
        "isnull" | "nvl" | "ifnull" => "coalesce(column, value)",
        "right" | "replace" | "split_part" | "strpos" | "position" | "regexp_replace"
        | "regexp_like" | "regexp_match" | "contains" | "lpad" | "rpad" => {
            "take a prefix: left(column, n), LIKE 'I21%'"
        }
        "len" => "length(column)",
        "percentile" | "quantile" | "percentile_disc" | "quantile_cont" => {
            "percentile_cont(0.9) WITHIN GROUP (ORDER BY column)"
        }
        "any_value" | "mode" | "array_agg" | "string_agg" | "listagg" => {
            "GROUP BY the column and count"
        }
        "mod" | "md5" | "sha256" | "hash" | "crc32" => {
            "nothing: a function that spreads people at random picks single ones"
        }
        _ => return None,
    })
}

/// Different answers to the same question.
pub(crate) const VOLATILE: &[&str] =
    &["random", "uuid", "now", "current_timestamp", "current_time", "localtimestamp", "version"];

/// What an analyst may type at all; the guard decides where.
pub(crate) fn is_known(name: &str) -> bool {
    [
        PERSONAL_SCALAR,
        PUBLIC_SCALAR,
        PERSON_AGGREGATE,
        OUTER_AGGREGATE,
        MOMENTS,
        WINDOW,
        KNOWN_UNSAFE_AGGREGATE,
    ]
    .iter()
    .any(|list| list.contains(&name))
        && !name.starts_with("cordon_")
}
