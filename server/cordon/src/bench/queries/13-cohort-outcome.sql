-- researcher: people first coded with heart failure, then their outpatient use in the next year, by sex
WITH cohort AS (
  SELECT pseudo_hesid, min(epistart) AS idx, min(sex) AS sex
  FROM hes.apc WHERE diag_3_01 LIKE 'I5%' AND fyear = '2122' GROUP BY pseudo_hesid)
SELECT c.sex, count(DISTINCT c.pseudo_hesid) AS persons, count(o.attendkey) AS appts,
       sum(CASE WHEN o.attended = '3' THEN 1 ELSE 0 END) AS dna /* behind c.pseudo_hesid */
FROM cohort c LEFT JOIN hes.op o
  ON o.pseudo_hesid = c.pseudo_hesid AND o.apptdate > c.idx AND o.apptdate <= c.idx + INTERVAL '365' DAY
GROUP BY c.sex ORDER BY c.sex
