//! Every code with its page. `docs/refusals.md` is written from this list.

use super::Page;

/// A rule that can say no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// No such agreement.
    AgreementUnknown,
    /// Several agreements.
    AgreementAmbiguous,
    /// Agreement not in force.
    AgreementExpired,
    /// Not signed in.
    NotSignedIn,
    /// Token expired.
    TokenExpired,
    /// Role missing.
    RoleMissing,
    /// Not UTF-8.
    NotUtf8,
    /// Text too long.
    TextTooLong,
    /// Too many operators.
    TooManyOperators,
    /// Nested too deeply.
    NestedTooDeeply,
    /// Not understood.
    SyntaxError,
    /// Several statements.
    SeveralStatements,
    /// Not a SELECT.
    NotASelect,
    /// Construct not offered.
    UnsupportedSyntax,
    /// Unknown table.
    UnknownTable,
    /// Unknown column.
    UnknownColumn,
    /// Does not fit together.
    PlanError,
    /// Parameters do not fit.
    BadParameters,
    /// Records.
    Records,
    /// LIMIT below an aggregate.
    LimitBelowAggregate,
    /// Join not by person.
    JoinNotByPerson,
    /// Join repeats rows.
    JoinFansOut,
    /// Join without equality.
    CrossJoin,
    /// FULL join.
    FullJoin,
    /// Table function or UNNEST.
    TableFunction,
    /// Literal rows beside patients.
    LiteralRows,
    /// INTERSECT or EXCEPT of records.
    SetOperation,
    /// Pseudonym.
    PseudonymShown,
    /// Record key.
    RecordKeyShown,
    /// DISTINCT ON.
    DistinctOn,
    /// Recursive CTE.
    RecursiveCte,
    /// Window across persons.
    WindowAcrossPersons,
    /// Volatile function.
    VolatileFunction,
    /// Function not offered.
    FunctionNotOffered,
    /// Aggregate not offered.
    AggregateNotOffered,
    /// Expression outside the language.
    Predicate,
    /// OR lists people.
    TooManyBranches,
    /// Too many group columns.
    TooManyKeys,
    /// Column not for grouping.
    NotGroupable,
    /// Not a plain sum.
    NotAPlainSum,
    /// Reserved name.
    ReservedName,
    /// Subquery of this kind.
    Subquery,
    /// Shape not offered.
    PlanNotOffered,
    /// Measure not offered.
    MeasureNotOffered,
    /// Budget spent.
    BudgetSpent,
    /// Rows multiplied.
    RowsMultiplied,
    /// Too many constants.
    TooManyConstants,
    /// Deadline reached.
    DeadlineReached,
    /// Memory limit reached.
    MemoryExhausted,
    /// Internal error.
    Internal,
    /// Ledger cannot be written.
    LedgerUnavailable,
    /// Cancelled.
    Cancelled,
    /// Busy.
    Overloaded,
    /// No such result.
    ResultUnknown,
    /// Table cannot be read.
    DataUnavailable,
    /// Not offered.
    NotOffered,
}

impl Code {
    /// All codes, in the order of their ids.
    pub const ALL: &[Code] = &[
        Code::AgreementUnknown,
        Code::AgreementAmbiguous,
        Code::AgreementExpired,
        Code::NotSignedIn,
        Code::TokenExpired,
        Code::RoleMissing,
        Code::NotUtf8,
        Code::TextTooLong,
        Code::TooManyOperators,
        Code::NestedTooDeeply,
        Code::SyntaxError,
        Code::SeveralStatements,
        Code::NotASelect,
        Code::UnsupportedSyntax,
        Code::UnknownTable,
        Code::UnknownColumn,
        Code::PlanError,
        Code::BadParameters,
        Code::Records,
        Code::LimitBelowAggregate,
        Code::JoinNotByPerson,
        Code::JoinFansOut,
        Code::CrossJoin,
        Code::FullJoin,
        Code::TableFunction,
        Code::LiteralRows,
        Code::SetOperation,
        Code::PseudonymShown,
        Code::RecordKeyShown,
        Code::DistinctOn,
        Code::RecursiveCte,
        Code::WindowAcrossPersons,
        Code::VolatileFunction,
        Code::FunctionNotOffered,
        Code::AggregateNotOffered,
        Code::Predicate,
        Code::TooManyBranches,
        Code::TooManyKeys,
        Code::NotGroupable,
        Code::NotAPlainSum,
        Code::ReservedName,
        Code::Subquery,
        Code::PlanNotOffered,
        Code::MeasureNotOffered,
        Code::BudgetSpent,
        Code::RowsMultiplied,
        Code::TooManyConstants,
        Code::DeadlineReached,
        Code::MemoryExhausted,
        Code::Internal,
        Code::LedgerUnavailable,
        Code::Cancelled,
        Code::Overloaded,
        Code::ResultUnknown,
        Code::DataUnavailable,
        Code::NotOffered,
    ];

    /// Its page.
    pub fn page(self) -> &'static Page {
        match self {
            Code::AgreementUnknown => &Page {
                id: "CORDON-A101",
                title: "No such agreement",
                rule: "an agreement must exist, be active and name you as an authorised user",
                remedy: "list yours with `cordon agreement list`",
                example: "`x-cordon-agreement: DARS-NIC-000000-XXXXX`",
            },
            Code::AgreementAmbiguous => &Page {
                id: "CORDON-A102",
                title: "Several agreements",
                rule: "a query runs under exactly one agreement",
                remedy: "name one with the header `x-cordon-agreement` or `--agreement`",
                example: "a query by somebody with two agreements who names neither",
            },
            Code::AgreementExpired => &Page {
                id: "CORDON-A103",
                title: "Agreement not in force",
                rule: "queries run only inside the term of an active agreement",
                remedy: "ask the agreement's signatory to renew it",
                example: "a query under an agreement whose term has ended",
            },
            Code::NotSignedIn => &Page {
                id: "CORDON-A201",
                title: "Not signed in",
                rule: "every call carries a valid access token",
                remedy: "send a token as Bearer, or as the password of any user name; `demo/tokens.json` has one per role in the demo",
                example: "a call without a token",
            },
            Code::TokenExpired => &Page {
                id: "CORDON-A202",
                title: "Token expired",
                rule: "an access token is valid for a limited time",
                remedy: "fetch a new token and connect again",
                example: "a call with yesterday's token",
            },
            Code::RoleMissing => &Page {
                id: "CORDON-A203",
                title: "Role missing",
                rule: "this action belongs to another role",
                remedy: "ask somebody who holds the role",
                example: "a data manager's call by an analyst",
            },
            Code::NotUtf8 => &Page {
                id: "CORDON-S101",
                title: "Not UTF-8",
                rule: "SQL text is UTF-8",
                remedy: "save the file as UTF-8 and send it again",
                example: "a file saved as UTF-16",
            },
            Code::TextTooLong => &Page {
                id: "CORDON-S102",
                title: "Text too long",
                rule: "a statement has at most 65,536 bytes and 10,000 words and signs",
                remedy: "put long lists into a smaller IN list, or ask in two statements",
                example: "a statement of 100 KiB",
            },
            Code::TooManyOperators => &Page {
                id: "CORDON-S103",
                title: "Too many operators",
                rule: "a statement has at most 500 operators, 100 of them arithmetic",
                remedy: "use IN lists and CTEs instead of long chains",
                example: "`SELECT 1+1+1+...` with 20,000 signs",
            },
            Code::NestedTooDeeply => &Page {
                id: "CORDON-S104",
                title: "Nested too deeply",
                rule: "brackets, CASE and subqueries nest at most 50 deep",
                remedy: "name the inner parts as CTEs",
                example: "60,000 opening brackets",
            },
            Code::SyntaxError => &Page {
                id: "CORDON-S105",
                title: "Not understood",
                rule: "the text is one SQL statement",
                remedy: "check the spelling at the place named",
                example: "`SELEC count(*) FROM hes.apc`",
            },
            Code::SeveralStatements => &Page {
                id: "CORDON-S106",
                title: "Several statements",
                rule: "one statement at a time",
                remedy: "send the statements one by one",
                example: "`SELECT 1; SELECT 2`",
            },
            Code::NotASelect => &Page {
                id: "CORDON-S107",
                title: "Not a SELECT",
                rule: "only SELECT, SHOW TABLES and DESCRIBE are answered",
                remedy: "write a SELECT that aggregates",
                example: "`INSERT INTO hes.apc VALUES (1)`",
            },
            Code::UnsupportedSyntax => &Page {
                id: "CORDON-S108",
                title: "Construct not offered",
                rule: "only constructs whose meaning for disclosure control is known are planned",
                remedy: "rewrite without the construct named",
                example: "`SELECT * FROM hes.apc FOR UPDATE`",
            },
            Code::UnknownTable => &Page {
                id: "CORDON-S201",
                title: "Unknown table",
                rule: "only tables that your agreement grants exist",
                remedy: "list them with SHOW TABLES",
                example: "`SELECT count(*) FROM hes.nothing`",
            },
            Code::UnknownColumn => &Page {
                id: "CORDON-S202",
                title: "Unknown column",
                rule: "only columns that your agreement grants exist",
                remedy: "list them with DESCRIBE",
                example: "`SELECT nothing, count(*) FROM hes.apc GROUP BY 1`",
            },
            Code::PlanError => &Page {
                id: "CORDON-S203",
                title: "Does not fit together",
                rule: "names, types and clauses of a statement fit together",
                remedy: "change the part named",
                example: "`SELECT sex FROM hes.apc GROUP BY startage`",
            },
            Code::BadParameters => &Page {
                id: "CORDON-S204",
                title: "Parameters do not fit",
                rule: "a statement is run with one value for each of its parameters",
                remedy: "bind one row with as many values as there are parameters",
                example: "two rows bound to one statement",
            },
            Code::Records => &Page {
                id: "CORDON-D101",
                title: "Records",
                rule: "rows of patients do not leave; only aggregates do",
                remedy: "aggregate: count(*), count(distinct pseudo_hesid), sum, avg with GROUP BY",
                example: "`SELECT * FROM hes.apc LIMIT 10`",
            },
            Code::LimitBelowAggregate => &Page {
                id: "CORDON-D102",
                title: "LIMIT below an aggregate",
                rule: "which rows a LIMIT takes depends on storage and singles patients out",
                remedy: "put LIMIT outside, over the aggregate",
                example: "`SELECT count(*) FROM (SELECT * FROM hes.apc LIMIT 10) t`",
            },
            Code::JoinNotByPerson => &Page {
                id: "CORDON-D103",
                title: "Join not by person",
                rule: "two tables of patients are joined only where both rows belong to the same person",
                remedy: "add `a.pseudo_hesid = b.pseudo_hesid` to the join",
                example: "`SELECT count(*) FROM hes.apc a JOIN hes.op b ON a.sex = b.sex`",
            },
            Code::JoinFansOut => &Page {
                id: "CORDON-D104",
                title: "Join repeats rows",
                rule: "a table without patients is joined on its whole key, so that no patient's row is repeated",
                remedy: "join on every column of the table's key",
                example: "`SELECT count(*) FROM hes.apc a JOIN ref.organisation o ON a.resgor = o.region_code`",
            },
            Code::CrossJoin => &Page {
                id: "CORDON-D105",
                title: "Join without equality",
                rule: "a join needs an equality between its sides",
                remedy: "add an ON clause with `=`",
                example: "`SELECT count(*) FROM hes.apc a, ref.sex s`",
            },
            Code::FullJoin => &Page {
                id: "CORDON-D106",
                title: "FULL join",
                rule: "a FULL join mixes rows with and without a patient on both sides",
                remedy: "use LEFT JOIN, or UNION ALL of two aggregates",
                example: "`SELECT count(*) FROM hes.apc a FULL JOIN hes.op b ON a.pseudo_hesid = b.pseudo_hesid`",
            },
            Code::TableFunction => &Page {
                id: "CORDON-D107",
                title: "Table function or UNNEST",
                rule: "rows come from tables only",
                remedy: "use a reference table",
                example: "`SELECT count(*) FROM generate_series(1, 10)`",
            },
            Code::LiteralRows => &Page {
                id: "CORDON-D108",
                title: "Literal rows beside patients",
                rule: "rows that stand in the text would pad counts of patients",
                remedy: "keep literal rows in a query of their own, or combine after aggregating",
                example: "`SELECT count(*) FROM (SELECT sex FROM hes.apc UNION ALL SELECT '1') t`",
            },
            Code::SetOperation => &Page {
                id: "CORDON-D109",
                title: "INTERSECT or EXCEPT of records",
                rule: "sets of patients' rows are not compared row by row",
                remedy: "use EXISTS, IN or NOT IN on the pseudonym",
                example: "`SELECT count(*) FROM (SELECT sex FROM hes.apc EXCEPT SELECT sex FROM hes.op) t`",
            },
            Code::PseudonymShown => &Page {
                id: "CORDON-D110",
                title: "Pseudonym",
                rule: "the pseudonym may join, partition and be counted, never be shown or compared with a value",
                remedy: "count(distinct pseudo_hesid) AS patients",
                example: "`SELECT pseudo_hesid, count(*) FROM hes.apc GROUP BY pseudo_hesid`",
            },
            Code::RecordKeyShown => &Page {
                id: "CORDON-D111",
                title: "Record key",
                rule: "a record key may join and be counted, never be shown, grouped by or compared with a value",
                remedy: "count(*) or count(distinct epikey)",
                example: "`SELECT count(*) FROM hes.apc WHERE epikey = '1'`",
            },
            Code::DistinctOn => &Page {
                id: "CORDON-D112",
                title: "DISTINCT ON",
                rule: "DISTINCT ON takes one row out of several by storage order",
                remedy: "use row_number() over (partition by pseudo_hesid order by ...) = 1",
                example: "`SELECT DISTINCT ON (sex) sex FROM hes.apc`",
            },
            Code::RecursiveCte => &Page {
                id: "CORDON-D113",
                title: "Recursive CTE",
                rule: "a recursive query may not end",
                remedy: "write the steps out, or join a reference table",
                example: "`WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t`",
            },
            Code::WindowAcrossPersons => &Page {
                id: "CORDON-D114",
                title: "Window across persons",
                rule: "a window over patients' rows stays within one person",
                remedy: "add PARTITION BY pseudo_hesid, or put the window over an aggregate",
                example: "`SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY epistart) AS n FROM hes.apc) t`",
            },
            Code::VolatileFunction => &Page {
                id: "CORDON-D115",
                title: "Volatile function",
                rule: "the same question gets the same answer",
                remedy: "remove the function",
                example: "`SELECT count(*) FROM hes.apc WHERE random() < 0.5`",
            },
            Code::FunctionNotOffered => &Page {
                id: "CORDON-D116",
                title: "Function not offered",
                rule: "only functions known to be safe over patients' rows are offered",
                remedy: "use date_trunc, date_part, left, coalesce, CASE; docs/sql.md has the list",
                example: "`SELECT md5(sex), count(*) FROM hes.apc GROUP BY 1`",
            },
            Code::AggregateNotOffered => &Page {
                id: "CORDON-D117",
                title: "Aggregate not offered",
                rule: "an aggregate that repeats single values does not leave",
                remedy: "use avg with count, or bands by CASE; MIN and MAX are fine per person, inside an aggregate by pseudo_hesid",
                example: "`SELECT max(startage) FROM hes.apc`",
            },
            Code::Predicate => &Page {
                id: "CORDON-D118",
                title: "Expression outside the language",
                rule: "expressions over patients' rows compare, band and take date parts; they do not draw arbitrary subsets",
                remedy: "compare a column with a constant, or band it with CASE",
                example: "`SELECT count(*) FROM hes.apc WHERE startage % 7 = 3`",
            },
            Code::TooManyBranches => &Page {
                id: "CORDON-D119",
                title: "A list of people",
                rule: "at most 4 combinations of three or more columns are put together, by OR, NOT, CASE, UNION ALL or figures per person: longer lists name people",
                remedy: "use IN on one column, join a reference table, or ask for the figures side by side",
                example: "five branches `(sex = '1' AND startage = 40 AND procode3 = 'RX1') OR ...`",
            },
            Code::TooManyKeys => &Page {
                id: "CORDON-D120",
                title: "Too many group columns",
                rule: "a table has at most 4 group columns beside the period; the column of a COUNT(DISTINCT code), median or quantile counts as one",
                remedy: "group by fewer columns, or ask in several tables",
                example: "`GROUP BY sex, startage, ethnos, procode3, admimeth`",
            },
            Code::NotGroupable => &Page {
                id: "CORDON-D121",
                title: "Column not for grouping",
                rule: "this column singles people out when it is a group key",
                remedy: "group by a coarser column",
                example: "`SELECT diag_4_concat, count(*) FROM hes.apc GROUP BY diag_4_concat`",
            },
            Code::NotAPlainSum => &Page {
                id: "CORDON-D122",
                title: "Not a plain sum",
                rule: "SUM, AVG and quantiles take a plain numeric column, a date difference, a figure per person, or CASE of these",
                remedy: "sum the plain column; scale the released figure outside",
                example: "`SELECT sum(epidur * 1000) FROM hes.apc`",
            },
            Code::ReservedName => &Page {
                id: "CORDON-D123",
                title: "Reserved name",
                rule: "names that begin with `_` are ours",
                remedy: "rename",
                example: "`SELECT count(*) AS _n FROM hes.apc`",
            },
            Code::Subquery => &Page {
                id: "CORDON-D124",
                title: "Subquery of this kind",
                rule: "a subquery must be rewritable to a join by person, or stand alone as an aggregate",
                remedy: "write it as a CTE and join it by pseudo_hesid",
                example: "`SELECT count(*) FROM hes.apc a WHERE startage > (SELECT max(startage) FROM hes.op b WHERE b.sex = a.sex)`",
            },
            Code::PlanNotOffered => &Page {
                id: "CORDON-D126",
                title: "Shape not offered",
                rule: "a statement whose shape is unknown is refused",
                remedy: "write it with SELECT, JOIN, GROUP BY, CTEs",
                example: "a plan node that no rule knows",
            },
            Code::MeasureNotOffered => &Page {
                id: "CORDON-D127",
                title: "Measure not offered",
                rule: "a measure over patients' rows is offered when its release rule is known: counts, sums, means, spreads, medians, quantiles",
                remedy: "use count, sum, avg, stddev, median, or percentile_cont(0.95) WITHIN GROUP (ORDER BY column)",
                example: "`SELECT sum(DISTINCT epidur) FROM hes.apc`",
            },
            Code::BudgetSpent => &Page {
                id: "CORDON-D128",
                title: "Budget spent",
                rule: "an agreement learns at most as much as its profile's budget; questions asked before stay free",
                remedy: "ask a question that was answered before, or ask the governance lead about the budget",
                example: "any new question under an agreement whose meter in `my.agreements` stands at its budget",
            },
            Code::RowsMultiplied => &Page {
                id: "CORDON-D129",
                title: "Rows multiplied",
                rule: "tables are joined by a key of one of them; rows of a patient that a join multiplied are not multiplied again, several rows of a patient meet several in at most 4 joins of a question (EXISTS with a condition between rows among them), and it repeats a row at most 4 times, by UNION ALL or by grouping sets within a person",
                remedy: "bring one side to one row per person (GROUP BY pseudo_hesid), use EXISTS, or use OR and CASE instead of UNION ALL",
                example: "three self joins `JOIN hes.apc b ON b.pseudo_hesid = a.pseudo_hesid`",
            },
            Code::TooManyConstants => &Page {
                id: "CORDON-D130",
                title: "Too many constants",
                rule: "a statement compares a date, or a number without a code list, with at most 40 different constants, and at most two parts of one date (year, quarter and month are one): longer lists draw arbitrary sets of people",
                remedy: "use BETWEEN, bands, or date_trunc as a group column; codes may be listed freely",
                example: "`admidate IN (...)` with 400 dates",
            },
            Code::DeadlineReached => &Page {
                id: "CORDON-X101",
                title: "Deadline reached",
                rule: "a query is stopped at its deadline",
                remedy: "narrow it by fyear or fewer groups",
                example: "a query that runs for minutes",
            },
            Code::MemoryExhausted => &Page {
                id: "CORDON-X102",
                title: "Memory limit reached",
                rule: "a query has a memory limit",
                remedy: "narrow it by fyear or fewer groups",
                example: "a query with millions of groups",
            },
            Code::Internal => &Page {
                id: "CORDON-X103",
                title: "Internal error",
                rule: "an unexpected error shows nothing of its cause",
                remedy: "try again; if it stays, give the error id to the operator",
                example: "an error inside the engine",
            },
            Code::LedgerUnavailable => &Page {
                id: "CORDON-X104",
                title: "Ledger cannot be written",
                rule: "what cannot be recorded does not leave",
                remedy: "try again later; the operator sees the cause",
                example: "a full disk under the ledger",
            },
            Code::Cancelled => &Page {
                id: "CORDON-X105",
                title: "Cancelled",
                rule: "the caller went away or cancelled",
                remedy: "send the query again",
                example: "closing the notebook while a query runs",
            },
            Code::Overloaded => &Page {
                id: "CORDON-X106",
                title: "Busy",
                rule: "a server answers a limited number of queries at once",
                remedy: "try again in a moment",
                example: "a hundred queries at once",
            },
            Code::ResultUnknown => &Page {
                id: "CORDON-X107",
                title: "No such result",
                rule: "a result is kept for 15 minutes, for the analyst who asked",
                remedy: "run the query again",
                example: "fetching a ticket of somebody else",
            },
            Code::DataUnavailable => &Page {
                id: "CORDON-X108",
                title: "Table cannot be read",
                rule: "a damaged table file is never half read",
                remedy: "the operator must restore the file; other tables still answer",
                example: "half a Parquet file in the store",
            },
            Code::NotOffered => &Page {
                id: "CORDON-X109",
                title: "Not offered",
                rule: "this server answers queries only",
                remedy: "use a SELECT",
                example: "a Flight SQL update",
            },
        }
    }
}
