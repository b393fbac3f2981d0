-- commissioner: emergency readmissions within 30 days of discharge, by provider of the index stay
SELECT procode3, count(*) AS discharges,
       sum(CASE WHEN nxt_meth IN ('21','22','28','2A') AND nxt_start <= epiend + INTERVAL '30' DAY THEN 1 ELSE 0 END) AS readmissions /* behind pseudo_hesid */
FROM (SELECT procode3, epiend,
             lead(epistart) OVER w AS nxt_start, lead(admimeth) OVER w AS nxt_meth /* who pseudo_hesid */
      FROM hes.apc WHERE epistart >= DATE '2021-04-01' AND epistart < DATE '2022-04-01'
      WINDOW w AS (PARTITION BY pseudo_hesid ORDER BY epistart, epikey)) s
GROUP BY procode3 ORDER BY procode3
