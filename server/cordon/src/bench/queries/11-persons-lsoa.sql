-- researcher: distinct outpatients by LSOA
SELECT lsoa11, count(DISTINCT pseudo_hesid) AS persons, count(*) AS attendances
FROM hes.op GROUP BY lsoa11 ORDER BY lsoa11
