package api

import "slices"

// What is said of deployments, in AWS's words.
const (
	autoDescription = "Automatic deployment triggered by changes to the Api configuration"
	noRoutes        = "Unable to deploy API because no routes exist in this API"
)

// Deploy makes a deployment of the API as it is now, and serves it at stage,
// "" for none.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-deployments.html
func (d *Definition) Deploy(description, stage string) (*Deployment, error) {
	if len(d.Routes) == 0 {
		return nil, BadRequest(noRoutes)
	}
	made := d.deploy(description)
	if stage == "" {
		return made, nil
	}
	s, err := d.Stage(stage)
	if err != nil {
		return nil, err
	}
	if s.AutoDeploy {
		return nil, BadRequest("Deployment cannot be created for stage %s because it deploys automatically", stage)
	}
	s.DeploymentId, s.LastUpdatedDate = made.DeploymentId, d.now
	return made, nil
}

func (d *Definition) deploy(description string) *Deployment {
	made := &Deployment{DeploymentId: freshID(d.Deployments, 6), Description: description, DeploymentStatus: "DEPLOYED", CreatedDate: d.now}
	d.Deployments[made.DeploymentId] = made
	d.Fresh = append(d.Fresh, made.DeploymentId)
	return made
}

// Deployment is one of the API's deployments.
func (d *Definition) Deployment(id string) (*Deployment, error) {
	return find(d.Deployments, "Deployment", id)
}

// DeleteDeployment removes a deployment that no stage serves.
func (d *Definition) DeleteDeployment(id string) error {
	if _, err := d.Deployment(id); err != nil {
		return err
	}
	if d.serving(id) {
		return BadRequest("Active stages pointing to this deployment must be moved or deleted")
	}
	delete(d.Deployments, id)
	d.Fresh = slices.DeleteFunc(d.Fresh, func(f string) bool { return f == id })
	return nil
}

func (d *Definition) serving(deployment string) bool {
	for _, s := range d.Stages {
		if s.DeploymentId == deployment {
			return true
		}
	}
	return false
}

// settle ends an edit: stages that deploy by themselves get the API as it is,
// and automatic deployments that no stage has any more go.
func (d *Definition) settle() {
	for _, s := range d.Stages {
		if s.AutoDeploy && !slices.Contains(d.Fresh, s.DeploymentId) {
			d.autoDeploy(s)
		}
	}
	for id, e := range d.Deployments {
		if e.AutoDeployed && !d.serving(id) {
			delete(d.Deployments, id)
			d.Fresh = slices.DeleteFunc(d.Fresh, func(f string) bool { return f == id })
		}
	}
}

func (d *Definition) autoDeploy(s *Stage) {
	s.LastUpdatedDate = d.now
	if len(d.Routes) == 0 {
		// AWS leaves the last deployment in place too.
		s.LastDeploymentStatusMessage = "Deployment attempt failed: " + noRoutes
		return
	}
	made := d.freshAuto()
	if made == nil {
		made = d.deploy(autoDescription)
		made.AutoDeployed = true
	}
	s.DeploymentId = made.DeploymentId
	s.LastDeploymentStatusMessage = "Successfully deployed stage with deployment ID '" + made.DeploymentId + "'"
}

// freshAuto is the automatic deployment that is the API as it is; nil for none.
func (d *Definition) freshAuto() *Deployment {
	for _, id := range d.Fresh {
		if e := d.Deployments[id]; e != nil && e.AutoDeployed {
			return e
		}
	}
	return nil
}
