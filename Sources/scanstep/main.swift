print("scanstep")
