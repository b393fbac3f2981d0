-- researcher: weekly A&E attendances and the share over four hours, by kind of department
SELECT date_trunc('week', arrivaldate) AS wk, aedepttype, count(*) AS n,
       CAST(sum(CASE WHEN depdur > 240 THEN 1 ELSE 0 END) AS DOUBLE) / count(*) AS over_4h /* behind pseudo_hesid */
FROM hes.ae GROUP BY date_trunc('week', arrivaldate), aedepttype ORDER BY wk, aedepttype
