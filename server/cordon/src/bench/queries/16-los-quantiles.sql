-- researcher: length of stay by provider: median, 90th percentile, how many diagnoses
SELECT procode3, count(*) AS episodes, median(speldur) AS median_los,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY speldur) AS p90_los,
       count(DISTINCT diag_3_01) AS diagnoses /* behind pseudo_hesid */
FROM hes.apc WHERE classpat = '1' GROUP BY procode3 ORDER BY procode3
