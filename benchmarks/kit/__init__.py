"""What all sections use: processes, gauges, figures, tables."""
