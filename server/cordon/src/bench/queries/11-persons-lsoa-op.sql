-- researcher: distinct outpatients by LSOA
SELECT lsoa11, count(DISTINCT pseudo_hesid) AS persons, count(*) AS attendances /* behind pseudo_hesid */
FROM hes.op GROUP BY lsoa11 ORDER BY lsoa11
