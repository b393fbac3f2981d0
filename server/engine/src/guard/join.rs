//! Joins: patients' rows meet only rows of the same patient, or rows of nobody on a whole key.

use std::collections::BTreeMap;
use std::sync::Arc;

use cordon_catalogue::TableName;
use cordon_disclosure::{Code, Refusal};
use datafusion::common::{Column, JoinConstraint, JoinType, NullEquality};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, Projection};

use super::listing::Chosen;
use super::person::is_pseudonym;
use super::relation::{ColumnClass, Facts, Figure, Kind, Open, Personal, Rel};
use super::{Guard, internal, renamed, total};

/// Rows of a person may meet rows of a person that were not multiplied before: the time it takes is a power of the
/// number of rows, and would tell it.
const MOST_FANS: usize = 1;
/// Most joins of one question, EXISTS with a condition between rows included, in which several rows of a person meet
/// several.
const MOST_MEETINGS: usize = 4;
/// In how many branches of UNION ALLs a row may be.
const MOST_COPIES: usize = 4;

/// In how many branches a row of each base table may be.
type Copies = BTreeMap<TableName, usize>;

/// Which side a row of the join always has a person from.
enum Side {
    Left,
    Right,
}

impl Guard<'_> {
    pub(super) fn join(&mut self, j: &Join) -> Result<Rel, Refusal> {
        let left = self.visit(&j.left, false)?;
        let right = self.visit(&j.right, false)?;
        self.not_limited(&left)?;
        self.not_limited(&right)?;
        match (left.personal().is_some(), right.personal().is_some()) {
            (false, false) => self.open_join(j, left, right),
            (true, true) => self.persons_join(j, left, right),
            _ => self.mixed_join(j, left, right),
        }
    }

    fn refuse(&self, code: Code, what: &str) -> Refusal {
        let set = ["intersect", "except"].iter().find_map(|w| self.spots.only(w));
        let code = if set.is_some() { Code::SetOperation } else { code };
        Refusal::new(code, what).at(set.or_else(|| self.spots.only("join")))
    }

    /// Both sides are patients': the person of both must be equated.
    fn persons_join(&mut self, j: &Join, left: Rel, right: Rel) -> Result<Rel, Refusal> {
        if j.join_type == JoinType::Full {
            return Err(
                self.refuse(Code::FullJoin, "a FULL join of two tables of patients is not offered")
            );
        }
        let by_person = j.on.iter().any(|(l, r)| is_pseudonym(l, &left) && is_pseudonym(r, &right));
        if !by_person {
            let what = "two tables of patients are joined, but not by person";
            return Err(if j.on.is_empty() {
                self.refuse(
                    Code::CrossJoin,
                    "two tables of patients are joined without an equality",
                )
                .instead("add `a.pseudo_hesid = b.pseudo_hesid` to the join")
            } else {
                self.refuse(Code::JoinNotByPerson, what)
            });
        }
        // Where null equals null, records without a pseudonym would meet each other's.
        if j.null_equality == NullEquality::NullEqualsNull && j.on.len() > 1 {
            return Err(self
                .refuse(Code::JoinNotByPerson, "two tables of patients are compared row by row"));
        }
        let (Some(l), Some(r)) = (left.personal().cloned(), right.personal().cloned()) else {
            return Err(self.refuse(Code::PlanNotOffered, "a join of this kind is not offered"));
        };
        let base = match j.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => l.base.clone(),
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => r.base.clone(),
            _ if r.one_per_person && j.join_type != JoinType::Right => l.base.clone(),
            _ if l.one_per_person && j.join_type != JoinType::Left => r.base.clone(),
            _ => None,
        };
        let one_per_person = match j.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => l.one_per_person,
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => r.one_per_person,
            _ => l.one_per_person && r.one_per_person,
        };
        let met = usize::from(several_meet(j, &l, &r));
        let meetings = l.meetings + r.meetings + met;
        let fans = if met == 0 { l.fans.max(r.fans) } else { l.fans + r.fans + met };
        if fans > MOST_FANS || meetings > MOST_MEETINGS {
            let what = if fans > MOST_FANS {
                "rows that one join multiplied are multiplied again".to_owned()
            } else {
                format!("several rows of a patient meet several in more than {MOST_MEETINGS} joins")
            };
            return Err(Refusal::new(Code::RowsMultiplied, what).at(self.spots.only("join")));
        }
        let fans = match j.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => l.fans,
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => r.fans,
            _ => fans,
        };
        let copies = match j.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => l.copies.clone(),
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => r.copies.clone(),
            _ => self.copied_by_each_other(&l, &r)?,
        };
        let side = match j.join_type {
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                Side::Right
            }
            _ => Side::Left,
        };
        let mut restrictions = Vec::new();
        if !matches!(
            j.join_type,
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark
        ) {
            restrictions.extend(l.restrictions);
        }
        if matches!(j.join_type, JoinType::Inner | JoinType::Right | JoinType::RightSemi) {
            restrictions.extend(r.restrictions);
        }
        let met = self.met(j, &left, &right)?;
        let other = match side {
            Side::Left => met.clone().and(&r.chosen),
            Side::Right => met.clone().and(&l.chosen),
        };
        let own = match side {
            Side::Left => l.chosen,
            Side::Right => r.chosen,
        };
        let chosen = self.chosen_by(j, own, &other)?;
        let kind = Personal {
            base,
            one_per_person,
            limited: false,
            restrictions,
            chosen,
            fans,
            meetings,
            copies,
        };
        self.build(j, left, right, side, kind, &other)
    }

    /// A row of one side stands beside each copy of the other side's.
    fn copied_by_each_other(&self, l: &Personal, r: &Personal) -> Result<Copies, Refusal> {
        let most = |side: &Personal| side.copies.values().copied().max().unwrap_or(1);
        let (left, right) =
            (self.copied(l.copies.clone(), most(r))?, self.copied(r.copies.clone(), most(l))?);
        let mut both = left;
        for (table, copies) in right {
            let known = both.entry(table).or_default();
            *known = copies.max(*known);
        }
        Ok(both)
    }

    /// So many times as many copies of every row.
    pub(super) fn copied(&self, copies: Copies, times: usize) -> Result<Copies, Refusal> {
        let copies: Copies =
            copies.into_iter().map(|(table, n)| (table, n.saturating_mul(times))).collect();
        self.not_copied_often(&copies)?;
        Ok(copies)
    }

    /// Over rows that were multiplied by each other a window takes as long as a join of them.
    pub(super) fn few_windows(&self, input: &Rel, n: usize) -> Result<(), Refusal> {
        let few = |p: &Personal| p.fans == 0 || p.meetings + n <= MOST_MEETINGS;
        if input.personal().is_none_or(few) {
            return Ok(());
        }
        Err(Refusal::new(
            Code::RowsMultiplied,
            format!(
                "more than {MOST_MEETINGS} joins and windows put rows of a patient beside each other"
            ),
        ))
    }

    /// As many groups as one patient has pairs of rows take their time, and those of several sets several times.
    pub(super) fn one_set(&self, input: &Rel, sets: usize) -> Result<(), Refusal> {
        if sets <= 1 || input.personal().is_none_or(|p| p.fans == 0) {
            return Ok(());
        }
        Err(Refusal::new(
            Code::RowsMultiplied,
            "grouping sets stand over rows that a join multiplied",
        )
        .at(self.spots.only("group"))
        .instead("one GROUP BY for each set, or bring one side to one row per person first"))
    }

    /// Every copy of a row is a fresh draw of noise.
    pub(super) fn not_copied_often(&self, copies: &Copies) -> Result<(), Refusal> {
        match copies.iter().find(|(_, n)| **n > MOST_COPIES) {
            None => Ok(()),
            Some((table, _)) => Err(Refusal::new(
                Code::RowsMultiplied,
                format!("a row of `{table}` is repeated more than {MOST_COPIES} times"),
            )
            .at(self.spots.first("union"))),
        }
    }

    /// What a join matches rows by, beside the person.
    fn met(&mut self, j: &Join, left: &Rel, right: &Rel) -> Result<Chosen, Refusal> {
        let mut met = Chosen::default();
        for (l, r) in &j.on {
            if is_pseudonym(l, left) && is_pseudonym(r, right) {
                continue;
            }
            let facts = self.join_key(l, left, r, right)?;
            met.by(&facts);
        }
        if let Some(filter) = &j.filter {
            let both = both_sides(left, right)?;
            let facts = self.read(&both, |language| language.condition(filter))?;
            met.by(&facts);
        }
        Ok(met)
    }

    /// What the rows that a join keeps were chosen by. To exclude by a combination is to list it.
    fn chosen_by(&mut self, j: &Join, own: Chosen, other: &Chosen) -> Result<Chosen, Refusal> {
        match j.join_type {
            JoinType::LeftAnti | JoinType::RightAnti => {
                self.listed.put(other.test(self.catalogue), self.spots)?;
                Ok(own)
            }
            JoinType::Left | JoinType::Right | JoinType::LeftMark | JoinType::RightMark => Ok(own),
            JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi | JoinType::Full => {
                Ok(own.and(other))
            }
        }
    }

    /// One side is patients': the other is joined on a whole key of its own, so that no patient's row repeats.
    fn mixed_join(&mut self, j: &Join, left: Rel, right: Rel) -> Result<Rel, Refusal> {
        if j.join_type == JoinType::Full {
            return Err(
                self.refuse(Code::FullJoin, "a FULL join with a table of patients is not offered")
            );
        }
        let personal_left = left.personal().is_some();
        let (personal, open) = if personal_left { (&left, &right) } else { (&right, &left) };
        let (Some(p), Some(o)) = (personal.personal().cloned(), open.open().cloned()) else {
            return Err(self.refuse(Code::PlanNotOffered, "a join of this kind is not offered"));
        };
        if o.literal {
            return Err(self.refuse(
                Code::LiteralRows,
                "rows that stand in the text are joined with rows of patients",
            ));
        }
        // A semi or anti join keeps patients' rows as they are, but only from their own side.
        let keeps_rows = match j.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                if !personal_left {
                    return Err(self
                        .refuse(Code::Subquery, "rows of nobody are chosen by rows of patients"));
                }
                true
            }
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                if personal_left {
                    return Err(self
                        .refuse(Code::Subquery, "rows of nobody are chosen by rows of patients"));
                }
                true
            }
            _ => false,
        };
        let equated: std::collections::BTreeSet<usize> =
            j.on.iter()
                .filter_map(|(l, r)| {
                    let side = if personal_left { r } else { l };
                    match super::shapes::unaliased(side) {
                        Expr::Column(c) => open.find(c).map(|(i, _)| i),
                        _ => None,
                    }
                })
                .collect();
        let whole_key = o.keys.iter().any(|key| key.is_subset(&equated));
        if j.on.is_empty() && !o.keys.iter().any(std::collections::BTreeSet::is_empty) {
            return Err(
                self.refuse(Code::CrossJoin, "a table is joined with patients without an equality")
            );
        }
        if !keeps_rows && !whole_key {
            return Err(self.refuse(Code::JoinFansOut, "the join could repeat rows of patients"));
        }
        // Computed columns of nobody's rows can spell a list: over three and more of a patient's columns
        // it would name people.
        let spelled = j.on.iter().any(|(l, r)| {
            let side = if personal_left { r } else { l };
            !matches!(super::shapes::unaliased(side), Expr::Column(c)
                if open.find(c).is_some_and(|(_, f)| f.origin.is_some() || o.released))
        });
        let own: Vec<&Expr> = j.on.iter().map(|(l, r)| if personal_left { l } else { r }).collect();
        // What is computed where rows meet may only cost as much as over patients' rows.
        let met_outside =
            j.on.iter().any(|(l, r)| self.told(if personal_left { r } else { l }, open).outside);
        if spelled && self.read(personal, |l| Ok(l.width(&own)))? >= super::listing::WIDE {
            return Err(self.refuse(
                Code::TooManyBranches,
                "a computed list is joined with three or more columns of patients",
            ));
        }
        // Two such columns beside a key spell combinations of three, whatever they are compared by.
        if open.columns.iter().filter(|f| f.spelled && f.figure == Figure::No).count() > 1 {
            return Err(self.refuse(
                Code::TooManyBranches,
                "a table with two or more columns computed by CASE, IN or OR is joined with patients",
            ));
        }
        if o.outside || met_outside || open.columns.iter().any(|f| f.outside) {
            return Err(Refusal::new(
                Code::Predicate,
                "a table computed by what is not offered over patients' rows is joined with them",
            )
            .at(self.spots.only("join"))
            .instead("join the plain table, with conditions as over patients' rows; compute above the figures"));
        }
        self.listed.name(&o.named)?;
        if j.on.is_empty() {
            self.one_row_joins = true;
        }
        let side = if personal_left { Side::Left } else { Side::Right };
        let met = self.met(j, &left, &right)?;
        let chosen = self.chosen_by(j, p.chosen, &met)?;
        self.build(j, left, right, side, Personal { limited: false, chosen, ..p }, &met)
    }

    fn build(
        &mut self,
        j: &Join,
        left: Rel,
        right: Rel,
        side: Side,
        kind: Personal,
        other: &Chosen,
    ) -> Result<Rel, Refusal> {
        let mut joined = joined_columns(j, &left, &right);
        // Whether a row of the other side was found tells what that side was chosen by.
        let telling = match (j.join_type, &side) {
            (JoinType::LeftMark | JoinType::RightMark, _) => {
                joined.len().saturating_sub(1)..joined.len()
            }
            (JoinType::Left | JoinType::Right, Side::Left) => left.columns.len()..joined.len(),
            (JoinType::Left | JoinType::Right, Side::Right) => 0..left.columns.len(),
            _ => 0..0,
        };
        for facts in joined.get_mut(telling).unwrap_or_default() {
            *facts = facts.clone().chosen(other, self.catalogue);
        }
        let person = match side {
            Side::Left => left.person(),
            Side::Right => right.person(),
        }
        .ok_or_else(|| {
            self.refuse(Code::PlanNotOffered, "a join without a person is not offered")
        })?;
        let visible = visible_columns(j, &left, &right);
        let plan = self.node(j, left, right, true)?;
        self.finish_join(j, plan, visible, joined, person, kind)
    }

    /// The columns in the order of the original, the person last.
    fn finish_join(
        &mut self,
        j: &Join,
        plan: LogicalPlan,
        visible: Vec<Expr>,
        columns: Vec<Facts>,
        person: Column,
        kind: Personal,
    ) -> Result<Rel, Refusal> {
        let mut above: Vec<Expr> = visible
            .into_iter()
            .enumerate()
            .map(|(index, e)| renamed(e, j.schema.qualified_field(index)))
            .collect();
        above.push(Expr::Column(person));
        let plan = Projection::try_new(above, Arc::new(plan))
            .map(LogicalPlan::Projection)
            .map_err(internal)?;
        Ok(Rel { plan, columns, kind: Kind::Personal(kind) })
    }

    /// Equalities between keys of the same kind, or between ordinary expressions.
    fn join_key(&mut self, l: &Expr, left: &Rel, r: &Expr, right: &Rel) -> Result<Facts, Refusal> {
        let side = |guard: &mut Self, e: &Expr, rel: &Rel| match rel.kind {
            Kind::Personal(_) => guard.read(rel, |language| language.facts(e)),
            Kind::Open(_) => guard.open_facts(e, rel),
        };
        let (lf, rf) = (side(self, l, left)?, side(self, r, right)?);
        if lf.strung || rf.strung {
            return Err(super::language::strung_together(if lf.strung { l } else { r }));
        }
        if let Some(refusal) = super::language::modulus(&[(l, &lf), (r, &rf)]) {
            return Err(refusal);
        }
        let keys_agree = std::mem::discriminant(&lf.class) == std::mem::discriminant(&rf.class);
        if !keys_agree {
            self.read(left, |language| language.not_a_key(l, &lf))?;
            self.read(right, |language| language.not_a_key(r, &rf))?;
        }
        Ok(Facts::merged([&lf, &rf]))
    }

    /// The join itself over rebuilt inputs.
    fn node(
        &self,
        j: &Join,
        left: Rel,
        right: Rel,
        personal: bool,
    ) -> Result<LogicalPlan, Refusal> {
        let on =
            j.on.iter()
                .map(|(l, r)| {
                    // Also where nobody's rows are read: whether they are read may depend on patients.
                    Ok((
                        total::total(l.clone(), left.plan.schema()).map_err(internal)?,
                        total::total(r.clone(), right.plan.schema()).map_err(internal)?,
                    ))
                })
                .collect::<Result<Vec<_>, Refusal>>()?;
        // Null never equals null between persons, and NOT IN is not turned around by a record without one.
        let by_person = j.on.iter().any(|(l, r)| is_pseudonym(l, &left) && is_pseudonym(r, &right));
        let filter = match &j.filter {
            Some(filter) if personal => {
                let both = both_sides(&left, &right)?;
                Some(total::total(filter.clone(), both.plan.schema()).map_err(internal)?)
            }
            other => other.clone(),
        };
        Join::try_new(
            Arc::new(left.plan),
            Arc::new(right.plan),
            on,
            filter,
            j.join_type,
            JoinConstraint::On,
            if by_person { NullEquality::NullEqualsNothing } else { j.null_equality },
            j.null_aware && !by_person,
        )
        .map(LogicalPlan::Join)
        .map_err(internal)
    }

    fn open_join(&mut self, j: &Join, left: Rel, right: Rel) -> Result<Rel, Refusal> {
        let (Some(l), Some(r)) = (left.open().cloned(), right.open().cloned()) else {
            return Err(self.refuse(Code::PlanNotOffered, "a join of this kind is not offered"));
        };
        let one_row = |o: &Open| o.keys.iter().any(std::collections::BTreeSet::is_empty);
        if j.on.is_empty() {
            if !one_row(&l) && !one_row(&r) {
                return Err(
                    self.refuse(Code::CrossJoin, "two tables are joined without an equality")
                );
            }
            self.one_row_joins = true;
        }
        let mut told = Open::default();
        for (a, b) in &j.on {
            self.open_facts(a, &left)?;
            self.open_facts(b, &right)?;
            told = told.and(&self.told(a, &left)).and(&self.told(b, &right));
        }
        if let Some(filter) = &j.filter {
            self.open_facts(filter, &left)?;
            told = told.and(&self.told(filter, &both_sides(&left, &right)?));
        }
        let equated = |pick: &dyn Fn(&(Expr, Expr)) -> Expr,
                       rel: &Rel|
         -> std::collections::BTreeSet<usize> {
            j.on.iter()
                .filter_map(|pair| match super::shapes::unaliased(&pick(pair)) {
                    Expr::Column(c) => rel.find(c).map(|(i, _)| i),
                    _ => None,
                })
                .collect()
        };
        let (on_left, on_right) =
            (equated(&|p| p.0.clone(), &left), equated(&|p| p.1.clone(), &right));
        let unique = |o: &Open, on: &std::collections::BTreeSet<usize>| {
            o.keys.iter().any(|k| k.is_subset(on))
        };
        let meets_several = matches!(
            j.join_type,
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
        ) && !one_row(&l)
            && !one_row(&r);
        if meets_several && !unique(&l, &on_left) && !unique(&r, &on_right) {
            return Err(Refusal::new(
                Code::RowsMultiplied,
                "two tables are joined by columns that are no key of either",
            )
            .at(self.spots.only("join"))
            .instead("join by all columns of one table's key, or aggregate one of them first"));
        }
        let shift = left.columns.len();
        let mut keys = Vec::new();
        match j.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                keys.extend(l.keys.clone())
            }
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                keys.extend(r.keys.clone())
            }
            other => {
                if unique(&r, &on_right) && matches!(other, JoinType::Inner | JoinType::Left) {
                    keys.extend(l.keys.clone());
                }
                if unique(&l, &on_left) && matches!(other, JoinType::Inner | JoinType::Right) {
                    keys.extend(r.keys.iter().map(|k| k.iter().map(|i| i + shift).collect()));
                }
            }
        }
        let columns = joined_columns(j, &left, &right);
        let open = Open { keys, ..told.and(&l).and(&r) };
        let plan = self.node(j, left, right, false)?;
        Ok(Rel { plan, columns, kind: Kind::Open(open) })
    }
}

/// Whether several rows of one person are put beside several. Whether there is any row at all is found without.
fn several_meet(j: &Join, l: &Personal, r: &Personal) -> bool {
    let pairs =
        matches!(j.join_type, JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full);
    (pairs || j.filter.is_some()) && !l.one_per_person && !r.one_per_person
}

/// Facts of the join's own visible columns.
fn joined_columns(j: &Join, left: &Rel, right: &Rel) -> Vec<Facts> {
    let figure = |rel: &Rel| {
        if rel.open().is_some_and(|o| o.released) { Figure::Derived } else { Figure::No }
    };
    // Null where no row was found: no longer the pseudonym of each row.
    let found = |rel: &Rel, always: bool| {
        let facts = rel.columns.iter().cloned();
        facts
            .map(|f| match f.class {
                ColumnClass::Pseudonym if !always => Facts { origin: None, ..f },
                _ => f,
            })
            .collect::<Vec<_>>()
    };
    let mark = Facts { figure: figure(left).max(figure(right)), ..Facts::default() };
    match j.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => left.columns.clone(),
        JoinType::RightSemi | JoinType::RightAnti => right.columns.clone(),
        JoinType::LeftMark => left.columns.iter().cloned().chain([mark]).collect(),
        JoinType::RightMark => right.columns.iter().cloned().chain([mark]).collect(),
        kind => {
            let always = |side: JoinType| kind == JoinType::Inner || kind == side;
            let mut both = found(left, always(JoinType::Left));
            both.extend(found(right, always(JoinType::Right)));
            both
        }
    }
}

/// The join's visible columns by name.
fn visible_columns(j: &Join, left: &Rel, right: &Rel) -> Vec<Expr> {
    let of = |rel: &Rel| (0..rel.columns.len()).map(|i| rel.column(i)).collect::<Vec<_>>();
    let mark = |n: usize| {
        let (qualifier, field) = j.schema.qualified_field(n);
        Expr::Column(Column::new(qualifier.cloned(), field.name()))
    };
    match j.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => of(left),
        JoinType::RightSemi | JoinType::RightAnti => of(right),
        JoinType::LeftMark => of(left).into_iter().chain([mark(left.columns.len())]).collect(),
        JoinType::RightMark => of(right).into_iter().chain([mark(right.columns.len())]).collect(),
        _ => of(left).into_iter().chain(of(right)).collect(),
    }
}

/// Both sides as one relation, in the order of an inner join's schema, hidden persons included: what the
/// join's own condition is read over.
fn both_sides(left: &Rel, right: &Rel) -> Result<Rel, Refusal> {
    let schema = datafusion::logical_expr::build_join_schema(
        left.plan.schema(),
        right.plan.schema(),
        &JoinType::Inner,
    )
    .map_err(internal)?;
    let side = |rel: &Rel| {
        let hidden = rel.plan.schema().fields().len().saturating_sub(rel.columns.len());
        rel.columns
            .iter()
            .cloned()
            .chain(std::iter::repeat_n(Facts::default(), hidden))
            .collect::<Vec<_>>()
    };
    let columns = side(left).into_iter().chain(side(right)).collect();
    let plan = LogicalPlan::EmptyRelation(datafusion::logical_expr::EmptyRelation {
        produce_one_row: false,
        schema: Arc::new(schema),
    });
    Ok(Rel { plan, columns, kind: Kind::Personal(Personal::default()) })
}
