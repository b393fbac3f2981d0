-- commissioner: patients and episodes by age band, sex and year
SELECT fyear, sex,
       CASE WHEN startage > 7000 OR startage < 18 THEN '0-17' WHEN startage < 40 THEN '18-39'
            WHEN startage < 65 THEN '40-64' WHEN startage < 80 THEN '65-79' ELSE '80+' END AS band,
       count(DISTINCT pseudo_hesid) AS persons, count(*) AS episodes /* behind pseudo_hesid */
FROM hes.apc WHERE sex IN ('1', '2') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
