-- commissioner: distinct patients by GP practice
SELECT gpprac, count(DISTINCT pseudo_hesid) AS persons, count(*) AS episodes /* behind pseudo_hesid */
FROM hes.apc GROUP BY gpprac ORDER BY gpprac
