-- researcher: distinct A&E patients by LSOA
SELECT lsoa11, count(DISTINCT pseudo_hesid) AS persons, count(*) AS attendances /* behind pseudo_hesid */
FROM hes.ae GROUP BY lsoa11 ORDER BY lsoa11
