-- commissioner: episodes and bed days, ROLLUP region > ICB > provider
SELECT o.region_code, o.icb_code, o.code, count(*) AS episodes, sum(a.epidur) AS bed_days /* behind a.pseudo_hesid */
FROM hes.apc a JOIN ref.organisation o ON a.procode3 = o.code
WHERE a.fyear = '2223'
GROUP BY ROLLUP (o.region_code, o.icb_code, o.code) ORDER BY o.region_code, o.icb_code, o.code
