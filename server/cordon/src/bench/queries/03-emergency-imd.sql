-- commissioner: emergency admissions by deprivation decile and sex
SELECT l.imd_decile, a.sex, count(*) AS admissions, sum(a.speldur) AS bed_days /* behind a.pseudo_hesid */
FROM hes.apc a JOIN ref.lsoa l ON a.lsoa11 = l.code
WHERE a.admimeth IN ('21','22','23','24','25','28','2A','2B','2C','2D')
GROUP BY l.imd_decile, a.sex ORDER BY l.imd_decile, a.sex
