-- commissioner: did-not-attend rate by treatment specialty and deprivation decile
SELECT o.tretspef, l.imd_decile, count(*) AS appts,
       sum(CASE WHEN o.attended = '3' THEN 1 ELSE 0 END) AS dna,
       CAST(sum(CASE WHEN o.attended = '3' THEN 1 ELSE 0 END) AS DOUBLE) / count(*) AS dna_rate /* behind o.pseudo_hesid */
FROM hes.op o JOIN ref.lsoa l ON o.lsoa11 = l.code
WHERE o.attended IN ('3','5','6','7') GROUP BY o.tretspef, l.imd_decile ORDER BY o.tretspef, l.imd_decile
