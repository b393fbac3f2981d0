-- researcher: share of emergency admissions by ethnic group and year
SELECT ethnos, fyear, count(*) AS episodes,
       avg(CASE WHEN admimeth LIKE '2%' THEN 1.0 ELSE 0.0 END) AS emergency_share /* behind pseudo_hesid */
FROM hes.apc GROUP BY 1, 2 ORDER BY 1, 2
