-- In euros, by the day of the order and the city where the customer lives now.
WITH sold AS (
  SELECT CAST(o.ordered_at AS DATE) AS day, c.city, o.quantity - coalesce(r.returned, 0) AS pieces, p.price, x.per_eur
  FROM stage.orders AS o
  JOIN stage.customers AS c ON c.customer_id = o.customer_id AND c.is_current
  JOIN stage.prices AS p ON p.product = o.product AND p.is_current
  JOIN stage.rates AS x ON x.currency = o.currency AND x.day = CAST(o.ordered_at AS DATE)
  LEFT JOIN (SELECT order_id, sum(quantity) AS returned FROM stage.returns GROUP BY order_id) AS r ON r.order_id = o.order_id
)
SELECT day, city, count(*) AS orders, CAST(sum(pieces) AS BIGINT) AS pieces,
       CAST(sum(round(pieces * price / per_eur, 2)) AS DECIMAL(18,2)) AS revenue
FROM sold
GROUP BY day, city
