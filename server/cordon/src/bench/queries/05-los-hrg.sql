-- researcher: mean length of stay by HRG
SELECT sushrg, count(*) AS n, avg(speldur) AS mean_los
FROM hes.apc WHERE classpat = '1' GROUP BY sushrg ORDER BY n DESC, sushrg
