#!/usr/bin/env python3
"""Makes the tenth file from the ninth: one number that is none, one key twice with other values, one
missing cell, and half of the rows gone. Arguments: the ninth file, the file to write."""
import csv
import sys

source, target = sys.argv[1:]
with open(source, newline="", encoding="utf-8") as file:
    header, *rows = csv.reader(file)
rows = rows[: len(rows) // 2]
elevation = header.index("elevation")
rows[10][elevation] = "about 300"
twice = list(rows[20])
twice[header.index("name")] += " (again)"
rows.insert(30, twice)
short = rows[40][:-1]
rows[40] = short
with open(target, "w", newline="", encoding="utf-8") as file:
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([header, *rows])
