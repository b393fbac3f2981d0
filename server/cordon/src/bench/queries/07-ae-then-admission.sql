-- commissioner: emergency admissions within a day of an A&E attendance, by the patient's integrated care board
SELECT l.icb_code, count(*) AS admissions, count(DISTINCT e.pseudo_hesid) AS persons /* behind e.pseudo_hesid */
FROM hes.ae e
JOIN hes.apc a ON a.pseudo_hesid = e.pseudo_hesid
  AND a.admidate >= e.arrivaldate AND a.admidate <= e.arrivaldate + INTERVAL '1' DAY
JOIN ref.lsoa l ON e.lsoa11 = l.code
WHERE e.fyear = '1819' AND a.epiorder = 1
  AND a.admimeth IN ('21','22','23','24','25','28','2A','2B','2C','2D')
GROUP BY l.icb_code ORDER BY l.icb_code
