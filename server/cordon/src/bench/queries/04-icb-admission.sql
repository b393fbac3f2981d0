-- commissioner: admissions by integrated care board, kind of admission and year
SELECT o.icb_code, left(a.admimeth, 1) AS kind, a.fyear, count(*) AS admissions /* behind a.pseudo_hesid */
FROM hes.apc a JOIN ref.organisation o ON a.procode3 = o.code
WHERE a.epiorder = 1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
