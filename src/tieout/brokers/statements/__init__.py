"""End-of-day statements as a broker's side: CSV and Parquet by a mapping, Interactive Brokers' Flex XML by its own words."""
