"""The accuracy-drop report of a bundle, `report.json` and `report.html`.

`schema` is the documentation of `report.json`: each class is an object in it, each field a key of
the same name. Average precisions go from 0 to 1, drops are in points of 100 and positive where
accuracy was lost, and a number that is not known is null. What was not measured is null, or an
empty list, and the page says so.

    measuring.py          every graph over the same images once, and the swapped heads
    breakdown.py          where the drop is: classes, sizes, levels, IoUs, scores
    verdict.py            the drop against the budget
    calibration_study.py  the drop against the number of calibration images
    making.py             all of it together
    inputs.py             what decides a report, and whether a stored one is still good
    page.py, charts.py, thumbnails.py, report.html.j2    the page
"""
