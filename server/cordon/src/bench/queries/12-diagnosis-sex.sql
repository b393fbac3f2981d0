-- researcher: patients by main diagnosis and sex
SELECT diag_3_01, sex, count(DISTINCT pseudo_hesid) AS persons /* behind pseudo_hesid */
FROM hes.apc WHERE sex IN ('1', '2') GROUP BY 1, 2 ORDER BY 1, 2
