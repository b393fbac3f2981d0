"""Statements that several tests ask."""

BY_YEAR = """
    SELECT fyear, count(*) AS episodes, count(DISTINCT pseudo_hesid) AS patients
    FROM hes.apc GROUP BY fyear ORDER BY fyear"""

# Some sexes have too few people in each year of so small a house.
BY_YEAR_AND_SEX = """
    SELECT fyear, sex, count(DISTINCT pseudo_hesid) AS patients
    FROM hes.apc GROUP BY fyear, sex ORDER BY fyear, sex"""

OF_ONE_SEX = "SELECT count(DISTINCT pseudo_hesid) AS patients FROM hes.apc WHERE sex = $1"

RECORDS = "SELECT * FROM hes.apc"

YEARS = ["1819", "1920", "2021", "2122", "2223"]


def is_safe(figure) -> bool:
    """Whether a figure looks as released ones do: hidden, or rounded and not small."""
    return figure is None or (figure % 5 == 0 and figure >= 10)
