-- researcher: mean length of stay by HRG
SELECT sushrg, count(*) AS n, avg(speldur) AS mean_los /* behind pseudo_hesid */
FROM hes.apc WHERE classpat = '1' GROUP BY sushrg ORDER BY n DESC, sushrg
