-- commissioner: first outpatient attendances by specialty and month of one year
SELECT tretspef, date_trunc('month', apptdate) AS mth, count(*) AS attendances /* behind pseudo_hesid */
FROM hes.op WHERE firstatt IN ('1', '3') AND attended IN ('5', '6') AND fyear = '2223'
GROUP BY 1, 2 ORDER BY 1, 2
