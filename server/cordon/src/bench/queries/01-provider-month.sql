-- commissioner: finished episodes by provider and month
SELECT procode3, date_trunc('month', epistart) AS mth, count(*) AS episodes /* behind pseudo_hesid */
FROM hes.apc GROUP BY procode3, date_trunc('month', epistart)
ORDER BY procode3, mth
