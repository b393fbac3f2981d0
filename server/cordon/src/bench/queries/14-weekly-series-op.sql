-- researcher: weekly outpatient appointments and the share not attended, by kind of appointment
SELECT date_trunc('week', apptdate) AS wk, firstatt, count(*) AS n,
       CAST(sum(CASE WHEN attended = '3' THEN 1 ELSE 0 END) AS DOUBLE) / count(*) AS not_attended /* behind pseudo_hesid */
FROM hes.op GROUP BY date_trunc('week', apptdate), firstatt ORDER BY wk, firstatt
