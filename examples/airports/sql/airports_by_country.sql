-- One row a country: how many airports are open now, how many versions their history has.
SELECT country,
       count(*) FILTER (is_current) AS airports,
       count(*) AS versions,
       max(elevation) FILTER (is_current) AS highest_ft
FROM stage.airports
WHERE country IS NOT NULL
GROUP BY country
ORDER BY country
