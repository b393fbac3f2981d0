//! The reasons for admission. Rates are of the size that national publications show, made up in detail.

use super::Condition::*;
use super::*;

const SHORT: [u16; 8] = [0, 0, 0, 1, 1, 3, 6, 20];
const VERY_SHORT: [u16; 8] = [0, 0, 0, 0, 1, 2, 4, 12];
const LONG: [u16; 8] = [0, 2, 4, 7, 12, 24, 45, 110];
const SURGERY: [u16; 8] = [1, 2, 3, 4, 5, 8, 14, 40];
const MENTAL: [u16; 8] = [1, 7, 16, 28, 45, 90, 150, 330];

/// Positions in [`PATHWAYS`] of entries that are begun by something other than their rate.
pub(crate) const DIALYSIS: usize = 0;
pub(crate) const CHEMOTHERAPY: usize = 1;
pub(crate) const INFUSION: usize = 2;
pub(crate) const ANTENATAL: usize = 3;
pub(crate) const DELIVERY: usize = 4;
pub(crate) const CAESAREAN: usize = 5;
pub(crate) const BIRTH: usize = 6;
pub(crate) const EARLY_BIRTH: usize = 7;
/// The first entry that happens by its rate.
pub(crate) const FIRST_BY_RATE: usize = 8;
/// Positions of emergencies that end lives or lead back to hospital.
pub(crate) const PNEUMONIA: usize = 8;
pub(crate) const SEPSIS: usize = 9;
pub(crate) const STROKE: usize = 11;
pub(crate) const COVID: usize = 13;
pub(crate) const HEART_ATTACK: usize = 15;
pub(crate) const HIP_FRACTURE: usize = 16;
pub(crate) const URINARY: usize = 17;

#[rustfmt::skip]
pub(crate) static PATHWAYS: [Pathway; 59] = [
    // --- begun by something else -------------------------------------------------------------------------
    base(Kind::RegularDay, &[("N189", 1)], ("361", "361"), ["LD01A", "LD01A"], NO_RATES)
        .procedures(&[(&["X403"], 1)]),
    base(Kind::DayCase, &[("Z511", 1)], ("370", "370"), ["SB97Z", "SB97Z"], NO_RATES)
        .also(&[("C509", 35), ("C189", 35), ("C349", 25)]).procedures(&[(&["X723"], 3), (&["X352"], 2)]),
    base(Kind::RegularDay, &[("G35X", 3), ("K529", 2)], ("400", "400"), ["AA26H", "AA26H"], NO_RATES),
    base(Kind::Antenatal, &[("O342", 3), ("R104", 2), ("N390", 1)], ("501", "501"), ["NZ16Z", "NZ16Z"], NO_RATES)
        .stay([0, 0, 0, 0, 1, 2, 4, 12]),
    base(Kind::Delivery, &[("O800", 20), ("O809", 45), ("O342", 5)], ("501", "501"), ["NZ30C", "NZ40C"], NO_RATES)
        .procedures(&[(&["R249"], 1)]).stay([0, 0, 1, 1, 2, 3, 5, 14]).further(12).readmission(15),
    base(Kind::Delivery, &[("O821", 3), ("O342", 2)], ("501", "501"), ["NZ50C", "NZ51C"], NO_RATES)
        .procedures(&[(&["R182"], 1)]).stay([1, 1, 2, 2, 3, 4, 6, 16]).further(12).readmission(25),
    base(Kind::Birth, &[("Z380", 1)], ("501", "424"), ["PB03Z", "PB03Z"], NO_RATES)
        .stay([0, 0, 1, 1, 2, 3, 5, 10]).readmission(35),
    base(Kind::Birth, &[("Z380", 1)], ("420", "422"), ["UZ01Z", "UZ01Z"], NO_RATES).also(&[("P073", 100)])
        .stay([2, 6, 10, 18, 30, 55, 80, 120]).further(20).follow_up(70).readmission(60),
    // --- emergencies -------------------------------------------------------------------------------------
    emergency(&[("J189", 6), ("J180", 1)], ("300", "300"), ["DZ11U", "DZ11K"], [300, 120, 30, 40, 60, 90, 150, 300, 700, 1_800, 4_200])
        .boosts(&[(Copd, 300), (Frailty, 200)]).winter().stay([0, 1, 3, 5, 9, 17, 32, 80]).readmission(150),
    emergency(&[("A419", 1)], ("300", "300"), ["WJ06J", "WJ06J"], [350, 80, 20, 30, 40, 60, 120, 250, 600, 1_400, 2_600])
        .boosts(&[(Cancer, 280), (Frailty, 200)]).stay(LONG).readmission(150),
    emergency(&[("I500", 2), ("I509", 1)], ("300", "320"), ["EB03D", "EB03D"], [0, 0, 0, 0, 5_000, 7_000, 9_000, 11_000, 12_000, 13_000, 14_000])
        .needs(HeartFailure).winter().stay([0, 2, 5, 8, 12, 22, 38, 80]).readmission(190).follow_up(60),
    emergency(&[("I639", 1)], ("430", "328"), ["AA35E", "AA35B"], [0, 0, 0, 2, 8, 25, 70, 150, 300, 700, 1_200])
        .boosts(&[(Fibrillation, 250), (Hypertension, 140)]).stay([0, 2, 5, 9, 17, 40, 70, 140]).further(60).follow_up(70),
    emergency(&[("J440", 3), ("J441", 4)], ("340", "340"), ["DZ65K", "DZ65J"], [0, 0, 0, 3_000, 8_000, 12_000, 13_000, 14_000, 15_000, 15_000, 15_000])
        .needs(Copd).winter().stay([0, 1, 2, 4, 6, 11, 20, 50]).readmission(220).follow_up(50),
    emergency(&[("U071", 1)], ("300", "340"), ["DZ11U", "DZ11K"], [200, 20, 10, 60, 120, 180, 320, 480, 700, 1_300, 2_200])
        .boosts(&[(Diabetes, 160), (Frailty, 200), (Kidney, 150)]).winter().years([0, 0, 0, 0, 0, 0, 9, 100, 85, 80])
        .also(&[("J189", 45), ("N179", 10)]).stay([0, 2, 4, 7, 12, 22, 40, 100]).readmission(90).follow_up(20),
    emergency(&[("C349", 1)], ("340", "370"), ["UZ01Z", "UZ01Z"], [0, 0, 0, 200, 600, 1_000, 1_600, 2_000, 2_000, 1_800, 1_500])
        .needs(Cancer).stay(LONG).readmission(180),
    emergency(&[("I214", 6), ("I219", 2), ("I210", 1), ("I211", 2)], ("320", "320"), ["EB10D", "EB10D"], [0, 0, 0, 2, 15, 60, 150, 220, 330, 550, 800])
        .boosts(&[(HeartDisease, 350), (Diabetes, 150)]).women(68).also(&[("I251", 60)])
        .procedures(&[(NOTHING, 5), (&["K751"], 2), (&["K634", "K751"], 3)]).stay([0, 1, 2, 3, 5, 9, 18, 45]).further(45).follow_up(80).readmission(110),
    emergency(&[("S720", 3), ("S721", 2)], ("110", "110"), ["HT12E", "HE11H"], [0, 0, 3, 8, 8, 15, 40, 100, 260, 900, 2_300])
        .boosts(&[(Frailty, 250)]).women(130).procedures(&[(&["W461", "Z942"], 4), (&["W461", "Z943"], 4), (&["W371"], 1), (NOTHING, 1)])
        .stay([2, 7, 10, 14, 20, 35, 55, 110]).further(65).follow_up(60),
    emergency(&[("N390", 1)], ("300", "430"), ["LA04S", "LA04S"], [500, 150, 60, 120, 150, 150, 200, 350, 800, 2_200, 4_500])
        .boosts(&[(Frailty, 220), (Diabetes, 150)]).women(130).stay([0, 0, 2, 4, 8, 18, 35, 85]).readmission(150),
    emergency(&[("R074", 1)], ("300", "320"), ["EB12C", "EB12C"], [0, 0, 50, 150, 250, 400, 600, 750, 900, 1_100, 1_200])
        .boosts(&[(HeartDisease, 220)]).stay(VERY_SHORT).further(10),
    emergency(&[("I480", 1), ("I489", 2)], ("320", "320"), ["EB07D", "EB07D"], [0, 0, 0, 2_000, 5_000, 7_000, 8_000, 8_000, 8_000, 8_000, 8_000])
        .needs(Fibrillation).stay(SHORT).follow_up(60),
    emergency(&[("J459", 1)], ("340", "340"), ["DZ15Q", "DZ15Q"], [2_500, 2_500, 900, 500, 400, 400, 500, 500, 600, 700, 700])
        .needs(Asthma).winter().stay(VERY_SHORT).further(10),
    emergency(&[("J22X", 1)], ("300", "300"), ["DZ22P", "DZ22P"], [1_500, 400, 40, 40, 50, 70, 120, 250, 600, 1_500, 3_200])
        .boosts(&[(Copd, 250), (Frailty, 180)]).winter().stay([0, 0, 1, 3, 6, 13, 26, 70]).readmission(140),
    emergency(&[("N179", 1)], ("300", "361"), ["LA07P", "LA07P"], [0, 0, 2, 5, 10, 25, 60, 130, 350, 900, 1_900])
        .boosts(&[(Kidney, 350)]).stay(LONG).readmission(160).follow_up(40),
    emergency(&[("E109", 1), ("E119", 2)], ("300", "307"), ["KB02K", "KB02K"], [8_000, 8_000, 9_000, 7_000, 4_000, 2_500, 1_800, 1_500, 1_500, 1_800, 2_000])
        .needs(Diabetes).stay([0, 1, 2, 3, 5, 10, 20, 50]).readmission(140).follow_up(60),
    emergency(&[("S525", 1)], ("110", "110"), ["HN93Z", "HN93Z"], [0, 150, 300, 120, 60, 60, 80, 110, 130, 150, 160])
        .stay(VERY_SHORT).follow_up(90).readmission(20),
    emergency(&[("S099", 1)], ("180", "180"), ["AA26H", "AA26H"], [500, 450, 200, 250, 150, 130, 150, 150, 250, 650, 1_400])
        .stay(VERY_SHORT).readmission(50),
    emergency(&[("T391", 1)], ("300", "300"), ["WH04E", "WH04E"], [0, 30, 40, 350, 200, 180, 160, 70, 30, 25, 20])
        .boosts(&[(Mental, 450), (Alcohol, 200)]).women(132).poorest(260).stay(SHORT).readmission(130),
    emergency(&[("L031", 1)], ("300", "300"), ["JD07K", "JD07K"], [150, 100, 60, 100, 150, 200, 250, 320, 450, 700, 1_000])
        .boosts(&[(Diabetes, 200)]).stay(SHORT),
    emergency(&[("A099", 1), ("K529", 1)], ("300", "301"), ["FD10M", "FD10M"], [900, 500, 80, 100, 90, 90, 110, 150, 250, 500, 800])
        .stay(SHORT),
    emergency(&[("B349", 1)], ("420", "420"), ["PW20C", "PW20C"], [3_500, 1_800, 250, 120, 80, 60, 60, 60, 80, 120, 150])
        .winter().stay(VERY_SHORT).further(8).years([96, 98, 100, 102, 104, 106, 107, 45, 112, 108]),
    emergency(&[("K358", 1)], ("100", "100"), ["FF37C", "FF37C"], [5, 30, 180, 230, 150, 110, 90, 70, 60, 50, 30])
        .procedures(&[(&["H011", "Y752"], 3), (&["H011"], 1)]).stay([1, 1, 2, 2, 3, 5, 8, 20]).further(10).poorest(105).readmission(60),
    emergency(&[("K802", 1)], ("100", "100"), ["GC17K", "GC17K"], [0, 0, 2, 50, 120, 150, 180, 210, 250, 300, 300])
        .women(132).stay([0, 1, 2, 3, 5, 8, 15, 40]).follow_up(60).readmission(120),
    emergency(&[("K573", 2), ("K529", 1)], ("100", "104"), ["FD10M", "FD10M"], [30, 30, 30, 100, 120, 130, 200, 280, 400, 600, 700])
        .procedures(&[(NOTHING, 3), (&["H229"], 1)]).stay(SHORT).follow_up(50),
    emergency(&[("R104", 1)], ("100", "100"), ["FD05B", "FD05B"], [100, 250, 350, 800, 700, 550, 500, 450, 450, 550, 600])
        .women(128).stay(VERY_SHORT).further(10).readmission(90),
    emergency(&[("R55X", 1)], ("300", "326"), ["AA26H", "AA26H"], [50, 80, 50, 130, 110, 110, 150, 250, 550, 1_300, 2_200])
        .boosts(&[(Frailty, 180)]).stay([0, 0, 1, 2, 5, 13, 28, 70]),
    emergency(&[("F102", 1)], ("300", "300"), ["WH04E", "WH04E"], [0, 0, 0, 4_000, 8_000, 10_000, 11_000, 9_000, 7_000, 5_000, 3_000])
        .needs(Alcohol).women(75).stay(SHORT).readmission(210),
    emergency(&[("F329", 2), ("F209", 3)], ("710", "710"), ["UZ01Z", "UZ01Z"], [0, 0, 100, 2_200, 2_200, 2_000, 1_800, 1_500, 1_200, 1_300, 1_100])
        .needs(Mental).poorest(250).stay(MENTAL).further(5).follow_up(85).readmission(100),
    emergency(&[("G409", 1)], ("300", "400"), ["AA26H", "AA26H"], [300, 250, 120, 110, 100, 110, 120, 120, 150, 220, 220])
        .stay(SHORT).follow_up(50).readmission(120),
    emergency(&[("R69X", 1)], ("300", "326"), ["UZ01Z", "UZ01Z"], [40, 30, 20, 40, 40, 40, 50, 60, 80, 120, 150])
        .stay(VERY_SHORT),
    // --- planned -----------------------------------------------------------------------------------------
    planned(Kind::DayCase, &[("H259", 3), ("H269", 2)], ("130", "130"), ["BZ34C", "BZ34B"], [0, 0, 0, 5, 10, 30, 120, 500, 1_900, 4_200, 3_800])
        .procedures(&[(&["C712", "C751", "Z942"], 5), (&["C712", "C751", "Z943"], 5), (&["C712"], 1)]).follow_up(70),
    planned(Kind::Inpatient, &[("M169", 1)], ("110", "110"), ["HN12F", "HN12F"], [0, 0, 0, 1, 4, 15, 70, 220, 480, 600, 300])
        .procedures(&[(&["W371", "Z942"], 3), (&["W371", "Z943"], 3), (&["W381", "Z942"], 2), (&["W381", "Z943"], 2)]).stay(SURGERY).further(4).follow_up(95).women(115).readmission(50),
    planned(Kind::Inpatient, &[("M171", 1)], ("110", "110"), ["HN22E", "HN22E"], [0, 0, 0, 1, 3, 10, 70, 270, 600, 650, 250])
        .procedures(&[(&["W401", "Z942"], 1), (&["W401", "Z943"], 1)]).stay(SURGERY).further(4).follow_up(95).women(112).readmission(50),
    planned(Kind::DayCase, &[("M545", 1)], ("190", "191"), ["HN93Z", "HN93Z"], [0, 0, 5, 40, 150, 300, 400, 400, 400, 350, 200])
        .procedures(&[(&["A521"], 1)]).women(115).poorest(140),
    planned(Kind::DayCase, &[("K409", 1)], ("100", "100"), ["FF62D", "FF62D"], [150, 120, 30, 30, 60, 100, 180, 280, 350, 330, 180])
        .procedures(&[(&["T202"], 1)]).women(18),
    planned(Kind::DayCase, &[("K573", 4), ("D126", 4), ("K529", 2), ("R104", 2)], ("301", "301"), ["FE32Z", "FE32Z"], [5, 10, 40, 250, 450, 600, 1_100, 1_800, 2_500, 2_200, 900])
        .procedures(&[(&["H229"], 3), (&["H221"], 3), (&["H201"], 2), (&["H259"], 2)]).follow_up(45),
    planned(Kind::DayCase, &[("R104", 3), ("R074", 1), ("K529", 1)], ("301", "301"), ["FE22Z", "FE22Z"], [5, 15, 60, 250, 400, 600, 900, 1_100, 1_500, 1_500, 800])
        .procedures(&[(&["G451"], 2), (&["G459"], 3)]),
    planned(Kind::DayCase, &[("C443", 1)], ("330", "330"), ["JC43C", "JC43C"], [0, 0, 0, 2, 10, 40, 120, 300, 700, 1_300, 1_800])
        .procedures(&[(&["S065"], 1)]).poorest(70),
    planned(Kind::Inpatient, &[("C509", 1)], ("100", "103"), ["JA20F", "JA20F"], [0, 0, 0, 1, 25, 110, 190, 210, 260, 230, 180])
        .women(199).procedures(&[(&["B274"], 1), (&["B282"], 2)]).stay([0, 0, 1, 1, 2, 3, 5, 12]).follow_up(100).poorest(90),
    planned(Kind::Inpatient, &[("C189", 1)], ("100", "104"), ["UZ01Z", "UZ01Z"], [0, 0, 0, 1, 4, 10, 30, 70, 140, 190, 130])
        .procedures(&[(&["U212"], 1), (NOTHING, 3)]).stay([3, 5, 6, 8, 10, 16, 28, 60]).further(8).follow_up(100).readmission(90),
    planned(Kind::Inpatient, &[("C349", 1)], ("170", "173"), ["UZ01Z", "UZ01Z"], [0, 0, 0, 0, 1, 3, 15, 40, 70, 50, 10])
        .procedures(&[(&["E499"], 1)]).stay([2, 4, 5, 6, 8, 13, 22, 50]).follow_up(100).poorest(200).readmission(80),
    planned(Kind::DayCase, &[("C61X", 1)], ("101", "101"), ["LB72A", "LB72A"], [0, 0, 0, 0, 0, 4, 60, 200, 350, 250, 100])
        .women(1).procedures(&[(&["M459"], 3), (&["M421"], 1)]).follow_up(100).poorest(80),
    planned(Kind::DayCase, &[("I251", 1)], ("320", "320"), ["EY43D", "EY43D"], [0, 0, 0, 1_000, 4_000, 6_000, 6_500, 6_500, 5_500, 3_500, 1_000])
        .needs(HeartDisease).procedures(&[(&["K634"], 3), (&["K634", "K751"], 1)]).follow_up(80).women(85),
    planned(Kind::DayCase, &[("I480", 1), ("I489", 2)], ("320", "320"), ["EB07D", "EB07D"], [0, 0, 0, 1_000, 2_500, 4_000, 4_000, 3_500, 2_500, 1_500, 500])
        .needs(Fibrillation).procedures(&[(NOTHING, 2), (&["K601"], 1)]).follow_up(90),
    planned(Kind::DayCase, &[("K802", 1)], ("100", "106"), ["GA10K", "GA10K"], [0, 0, 3, 70, 140, 170, 190, 200, 220, 180, 60])
        .women(145).procedures(&[(&["J183", "Y752"], 4), (&["J183"], 1)]).readmission(40),
    planned(Kind::Inpatient, &[("E669", 1)], ("100", "109"), ["UZ01Z", "UZ01Z"], [0, 0, 0, 8, 25, 30, 25, 12, 2, 0, 0])
        .women(155).poorest(160).procedures(&[(&["G285"], 1)]).stay([1, 1, 2, 2, 3, 4, 6, 15]).follow_up(100),
    planned(Kind::DayCase, &[("N189", 1)], ("361", "361"), ["LA07P", "LA07P"], [0, 0, 200, 300, 400, 400, 400, 400, 350, 200, 100])
        .needs(Kidney).procedures(&[(&["L912"], 1), (&["X332"], 1)]),
    planned(Kind::DayCase, &[("G20X", 1)], ("400", "400"), ["AA26H", "AA26H"], [0, 0, 0, 0, 0, 1, 4, 10, 25, 40, 15])
        .follow_up(90),
    planned(Kind::DayCase, &[("R69X", 1)], ("300", "300"), ["UZ01Z", "UZ01Z"], [10, 30, 40, 40, 40, 50, 60, 60, 60, 50, 30]),
    planned(Kind::DayCase, &[("M171", 2), ("M545", 1)], ("110", "110"), ["HN93Z", "HN93Z"], [0, 2, 60, 220, 260, 300, 380, 380, 300, 160, 50])
        .procedures(&[(&["W822"], 2), (&["W903"], 3)]).follow_up(80),
];
